"""Tokens of the local platform."""

import stat
from pathlib import Path

from runtime.local.access_tokens import write_tokens
from runtime.wire import AccountRecord, TokenGrant, Tokens
from runtime.wire.places import Places

CI = TokenGrant(name="ci", endpoints=("embed",))


def read(places: Places) -> Tokens:
    """What the gateway reads."""
    return Tokens.model_validate_json(places.tokens.read_text())


def test_the_owner_and_every_grant_get_a_token(tmp_path: Path) -> None:
    """In clear for the user, mode 0600; as hashes for the gateway."""
    places = Places(tmp_path)

    write_tokens(places, AccountRecord(account="acme", tokens=(CI,)))

    owner, ci = (path.read_text().strip() for path in (places.token, places.granted_tokens / "ci"))
    tokens = read(places)
    assert tokens.find(owner) == TokenGrant(name="owner", priority="high")
    assert tokens.find(ci) == CI
    assert owner not in places.tokens.read_text()
    for path in (places.token, places.granted_tokens / "ci", places.tokens):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_tokens_are_made_once(tmp_path: Path) -> None:
    """A second time changes neither tokens nor the gateway's file."""
    places = Places(tmp_path)
    account = AccountRecord(account="acme", tokens=(CI,))
    write_tokens(places, account)
    before = places.token.read_text(), places.tokens.stat().st_mtime_ns

    write_tokens(places, account)

    assert (places.token.read_text(), places.tokens.stat().st_mtime_ns) == before


def test_a_grant_that_is_gone_opens_nothing(tmp_path: Path) -> None:
    """Its file goes too."""
    places = Places(tmp_path)
    write_tokens(places, AccountRecord(account="acme", tokens=(CI,)))
    token = (places.granted_tokens / "ci").read_text().strip()

    write_tokens(places, AccountRecord(account="acme"))

    assert read(places).find(token) is None
    assert not (places.granted_tokens / "ci").exists()
