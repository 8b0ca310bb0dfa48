"""Records as they change under a running gateway."""

from pathlib import Path

import pytest
import structlog
from support.gateway_stage import record, write_records

from runtime.gateway.errors import UnknownEndpointError
from runtime.gateway.record_files import FolderSource
from runtime.gateway.registry import Endpoints, Records
from runtime.gateway.visible import Visible
from runtime.wire import AccountRecord
from runtime.wire.places import Places


@pytest.fixture
def places(tmp_path: Path) -> Places:
    """A state folder with one endpoint."""
    places = Places(tmp_path)
    write_records(places, [record()])
    return places


class Loaded:
    """The registry, read when the test says so."""

    def __init__(self, places: Places) -> None:
        self._source = FolderSource(places, places.tokens, structlog.get_logger())
        self.endpoints = Endpoints(self._source)
        self._visible = Visible(self.endpoints, "all")
        self.find = self._visible.find

    async def refresh(self) -> None:
        """Look for changes."""
        await self._source.refresh(self.endpoints)

    @property
    def records(self) -> Records:
        """What there is now."""
        return self.endpoints.records


async def loaded(places: Places) -> Loaded:
    """The registry after its first look."""
    loaded = Loaded(places)
    await loaded.refresh()
    return loaded


async def test_empty_folder_has_no_endpoints(tmp_path: Path) -> None:
    """A gateway may be up before the plan."""
    endpoints = await loaded(Places(tmp_path))

    assert endpoints.records.endpoints == {}
    assert endpoints.records.account is None


async def test_new_changed_and_removed_records_are_followed(places: Places) -> None:
    """Without a restart."""
    endpoints = await loaded(places)

    write_records(places, [record(limits={"body_mib": 3}), record("chat")])
    await endpoints.refresh()
    assert endpoints.find("embed").most_body_bytes == 3 * 1024 * 1024
    assert endpoints.find("chat").name == "chat"

    (places.endpoints / "embed.json").unlink()
    await endpoints.refresh()
    with pytest.raises(UnknownEndpointError):
        endpoints.find("embed")


async def test_unchanged_record_is_not_parsed_again(places: Places) -> None:
    """Twenty endpoints at rest cost twenty stats a second."""
    endpoints = await loaded(places)
    before = endpoints.records.endpoints["embed"].record

    await endpoints.refresh()

    assert endpoints.records.endpoints["embed"].record is before


async def test_unreadable_record_keeps_its_last_good_one(places: Places) -> None:
    """A half-written file takes no endpoint down."""
    endpoints = await loaded(places)

    (places.endpoints / "embed.json").write_text('{"name": "emb')
    await endpoints.refresh()

    assert endpoints.find("embed").name == "embed"


async def test_revoked_token_opens_nothing(places: Places) -> None:
    """From the next look on."""
    endpoints = await loaded(places)
    before = len(endpoints.records.tokens.entries)

    places.tokens.write_text('{"entries": []}')
    await endpoints.refresh()

    assert (before, len(endpoints.records.tokens.entries)) == (2, 0)


async def test_account_and_templates_are_read(places: Places) -> None:
    """For the web page and the API."""
    places.account.write_text(AccountRecord(account="acme").model_dump_json())

    endpoints = await loaded(places)

    assert endpoints.records.account == AccountRecord(account="acme")
    assert endpoints.records.templates == {}
