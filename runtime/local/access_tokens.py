"""Tokens of this machine's platform: made once, kept in clear for the user and as hashes for the gateway."""

from pathlib import Path

from runtime.local.notes import write_private
from runtime.wire import AccountRecord, TokenEntry, TokenGrant, Tokens, hash_token, new_token
from runtime.wire.places import Places

OWNER = TokenGrant(name="owner", priority="high")
"""Opens every endpoint and `/v1`, and may ask for any priority."""


def write_tokens(places: Places, account: AccountRecord) -> None:
    """Make the tokens that are missing, remove those of grants that are gone, write the hashes of all."""
    places.granted_tokens.mkdir(mode=0o700, parents=True, exist_ok=True)
    granted = {grant.name: places.granted_tokens / grant.name for grant in account.tokens}
    for path in places.granted_tokens.iterdir():
        if path.name not in granted and not path.name.startswith("."):
            path.unlink(missing_ok=True)
    entries = [_entry(OWNER, places.token)]
    entries += [_entry(grant, granted[grant.name]) for grant in account.tokens]
    text = Tokens(entries=tuple(entries)).model_dump_json()
    if not places.tokens.exists() or places.tokens.read_text() != text:
        write_private(places.tokens, text)


def _entry(grant: TokenGrant, path: Path) -> TokenEntry:
    return TokenEntry(grant=grant, sha256=hash_token(_kept(path)))


def _kept(path: Path) -> str:
    """The token in a file, made there when there is none."""
    if not path.exists():
        write_private(path, new_token() + "\n")
    return path.read_text().strip()
