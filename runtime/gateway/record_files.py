"""Records read from files, and read again when one has changed: those of one machine, and a mounted token list."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import structlog
from pydantic import ValidationError

from runtime.gateway.registry import NO_TOKENS, Endpoints, Records, Served
from runtime.wire import AccountRecord, EndpointRecord, Record, TemplateRecord, Tokens
from runtime.wire.places import Places

REFRESH_SECONDS = 1.0
"""How long a change of a file may go unseen."""

R = TypeVar("R", bound=Record)
_Stamp = tuple[int, int, int]


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
        """One record; None where there is no file. A file that cannot be read keeps its last good record.

        A link is read through: kubelet changes a mounted Secret by pointing a link elsewhere.
        """
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


class FolderSource:
    """The records of one machine: files below its state folder."""

    def __init__(self, places: Places, tokens: Path, log: structlog.typing.FilteringBoundLogger) -> None:
        self._places = places
        self._tokens = tokens
        self._folder = RecordFolder(log.warning)

    async def follow(self, endpoints: Endpoints) -> None:
        """See `Source.follow`; looks once a second."""
        while True:
            await self.refresh(endpoints)
            await asyncio.sleep(REFRESH_SECONDS)

    async def refresh(self, endpoints: Endpoints) -> None:
        """Read what changed, off the loop."""
        endpoints.put(await asyncio.to_thread(self._read))

    def _read(self) -> Records:
        places, folder = self._places, self._folder
        found = folder.read_all(places.endpoints, EndpointRecord)
        templates = folder.read_all(places.templates, TemplateRecord)
        return Records(
            endpoints={record.name: Served.of(record) for record in found},
            templates={record.name: record for record in templates},
            account=folder.read(places.account, AccountRecord),
            tokens=folder.read(self._tokens, Tokens) or NO_TOKENS,
        )


class TokenFile:
    """The list of tokens in one file."""

    def __init__(self, path: Path, log: structlog.typing.FilteringBoundLogger) -> None:
        self._path = path
        self._folder = RecordFolder(log.warning)

    async def read(self) -> Tokens:
        """Who may call now; nobody where there is no file."""
        return await asyncio.to_thread(self._folder.read, self._path, Tokens) or NO_TOKENS


def _stamp(path: Path) -> _Stamp | None:
    """What tells a changed file: time, size and inode."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
