"""Which endpoints, tokens and templates there are: read from the records' files, followed as they change.

Requests read one immutable `Records`; a background task replaces it as a whole, so that no request ever
touches a file or sees half of a change.
"""

import asyncio
import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import structlog
from pydantic import ValidationError

from runtime.gateway.errors import UnknownEndpointError
from runtime.queue.port import Bounds
from runtime.wire import AccountRecord, EndpointRecord, Record, TemplateRecord, Tokens
from runtime.wire.places import Places

REFRESH_SECONDS = 1.0
"""How long a change of a record may go unseen."""
WAITING_BYTES = 1024 * 1024 * 1024
"""Most bytes of bodies that may wait at one endpoint."""

_MIB = 1024 * 1024
_NO_TOKENS = Tokens()

R = TypeVar("R", bound=Record)
_Stamp = tuple[int, int, int]


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
    tokens: Tokens = _NO_TOKENS


class RecordFolder:
    """Parses record files once each, again only when one changed."""

    def __init__(self, log: Callable[..., object]) -> None:
        self._log = log
        self._parsed: dict[Path, tuple[_Stamp, Record]] = {}

    def read_all(self, folder: Path, kind: type[R]) -> list[R]:
        """Every record of a folder, by file name."""
        paths = sorted(folder.glob("*.json")) if folder.is_dir() else []
        records = [self.read(path, kind) for path in paths]
        return [record for record in records if record is not None]

    def read(self, path: Path, kind: type[R]) -> R | None:
        """One record; None where there is no file. A file that cannot be read keeps its last good record."""
        stamp = _stamp(path)
        if stamp is None:
            self._parsed.pop(path, None)
            return None
        known = self._parsed.get(path)
        last = known[1] if known is not None and isinstance(known[1], kind) else None
        if known is not None and last is not None and known[0] == stamp:
            return last
        try:
            record = kind.model_validate_json(path.read_bytes())
        except (ValidationError, OSError) as exc:
            self._log("record unreadable", file=path.name, fault=type(exc).__name__)
            return last
        self._parsed[path] = (stamp, record)
        return record


class Endpoints:
    """The records as they are now."""

    def __init__(self, places: Places, log: structlog.typing.FilteringBoundLogger) -> None:
        self._places = places
        self._folder = RecordFolder(log.warning)
        self.records = Records()

    def find(self, name: str) -> Served:
        """The endpoint of that name.

        Raises:
            UnknownEndpointError: there is none; its message names a near miss.
        """
        served = self.records.endpoints.get(name)
        if served is None:
            raise UnknownEndpointError(self._unknown(name))
        return served

    async def refresh(self) -> None:
        """Read what changed, off the loop."""
        self.records = await asyncio.to_thread(self._read)

    async def follow(self) -> None:
        """Refresh for ever, once a second."""
        while True:
            await asyncio.sleep(REFRESH_SECONDS)
            await self.refresh()

    def _read(self) -> Records:
        places, folder = self._places, self._folder
        endpoints = folder.read_all(places.endpoints, EndpointRecord)
        templates = folder.read_all(places.templates, TemplateRecord)
        return Records(
            endpoints={record.name: Served.of(record) for record in endpoints},
            templates={record.name: record for record in templates},
            account=folder.read(places.account, AccountRecord),
            tokens=folder.read(places.tokens, Tokens) or _NO_TOKENS,
        )

    def _unknown(self, name: str) -> str:
        near = difflib.get_close_matches(name, self.records.endpoints, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        return f"There is no endpoint {name[:80]!r}.{hint}"


def _stamp(path: Path) -> _Stamp | None:
    """What tells a changed file: time, size and inode."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
