"""Access tokens: 256 random bits behind a prefix, kept as SHA-256 only."""

import hashlib
import hmac
import secrets

from runtime.wire.records import Record, TokenGrant

TOKEN_PREFIX = "moorage_"  # noqa: S105 - the public prefix by which secret scanners find a leaked token


def new_token() -> str:
    """A fresh token: the prefix and 256 random bits, URL-safe."""
    return TOKEN_PREFIX + secrets.token_urlsafe(32)


def hash_token(token: str) -> str:
    """What is stored of a token: SHA-256, in hex. Enough, for the token itself is random."""
    return hashlib.sha256(token.encode()).hexdigest()


class TokenEntry(Record):
    """A grant with the hash of its token."""

    grant: TokenGrant
    sha256: str


class Tokens(Record):
    """Every token that may call."""

    entries: tuple[TokenEntry, ...] = ()

    def find(self, token: str) -> TokenGrant | None:
        """The grant of a token, in a time that does not depend on which entry matches."""
        given = hash_token(token)
        found: TokenGrant | None = None
        for entry in self.entries:
            if hmac.compare_digest(entry.sha256, given):
                found = entry.grant
        return found
