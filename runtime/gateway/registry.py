"""Which endpoints, tokens and templates there are at this moment.

Requests read one immutable `Records`; a background task replaces it as a whole, so that no request ever
touches a file or sees half of a change. Where they come from: `record_files`, `cluster_records`.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from runtime.queue.port import Bounds
from runtime.wire import AccountRecord, EndpointRecord, TemplateRecord, Tokens

WAITING_BYTES = 1024 * 1024 * 1024
"""Most bytes of bodies that may wait at one endpoint."""
NO_TOKENS = Tokens()

_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Served:
    """An endpoint's record with what every request needs of it worked out."""

    record: EndpointRecord
    name: str
    is_private: bool
    bounds: Bounds
    most_body_bytes: int
    health: str

    @classmethod
    def of(cls, record: EndpointRecord) -> "Served":
        """What the gateway needs of a record."""
        return cls(
            record=record,
            name=record.name,
            is_private=record.access == "private",
            bounds=Bounds(record.limits.waiting, WAITING_BYTES),
            most_body_bytes=record.limits.body_mib * _MIB,
            health=record.health,
        )


@dataclass(frozen=True, slots=True)
class Records:
    """All records at one moment."""

    endpoints: Mapping[str, Served] = field(default_factory=dict)
    templates: Mapping[str, TemplateRecord] = field(default_factory=dict)
    account: AccountRecord | None = None
    tokens: Tokens = NO_TOKENS

    @property
    def hardware(self) -> Mapping[str, str]:
        """Each endpoint's."""
        return {name: served.record.hardware for name, served in self.endpoints.items()}


class Source(Protocol):
    """Where records come from."""

    async def follow(self, endpoints: "Endpoints") -> None:
        """Put every change there for ever, first of all what there is now."""
        ...


class Endpoints:
    """The records as they are now. Clients are shown a `Visible` of them."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._is_read = asyncio.Event()
        self.records = Records()

    def put(self, records: Records) -> None:
        """These are the records from now on."""
        self.records = records
        self._is_read.set()

    @property
    def is_read(self) -> bool:
        """Whether the records were read once."""
        return self._is_read.is_set()

    async def follow(self) -> None:
        """Follow the source for ever."""
        await self._source.follow(self)

    async def until_read(self) -> None:
        """Return when the records were read once."""
        await self._is_read.wait()
