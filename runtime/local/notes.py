"""Notes in `.moorage/run/`: which process is which, for the supervisor that comes after this one."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

from pydantic import Field, ValidationError

from runtime.local.pids import ProcessId
from runtime.wire import EndpointRecord, Record

Kind = TypeVar("Kind", bound=Record)


class Launch(Record):
    """How a replica's model is started; holds no secret."""

    argv: tuple[str, ...]
    """`{port}` stands for the replica's port."""
    cwd: str
    env: dict[str, str] = Field(default_factory=dict)
    container: bool = False
    """Whether argv[0] is a container engine that must also be told to remove the container."""


class ReplicaNote(Record):
    """One replica: what it was made from, its ports and its processes."""

    id: str
    record: EndpointRecord
    launch: Launch
    port: int
    probe_port: int
    model: ProcessId | None = None
    worker: ProcessId | None = None
    started: bool = False
    """Whether the model answered its health path since its last start."""
    build: str = ""
    """What its worker and runner are made from; none where an older Moorage wrote the note."""

    @property
    def revision(self) -> str:
        """What it was made from: the endpoint's record and our build."""
        return made_from(self.record, self.build)


def made_from(record: EndpointRecord, build: str) -> str:
    """The revision of a replica that this build makes from this record."""
    return f"{record.revision}.{build}"


class ServiceNote(Record):
    """The queue's server, the gateway or the supervisor itself."""

    process: ProcessId | None = None
    port: int = 0
    build: str = ""
    """What it is made from, see `build_of`; none for the queue's server, which outlives our code."""


def make_private(folder: Path) -> None:
    """A folder that only its owner may enter: requests' bodies and tokens lie in it."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def write_private(path: Path, text: str) -> None:
    """Write a file as a whole or not at all, readable by its owner only."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(text)
    draft.replace(path)


class Notes:
    """The notes below one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def service(self, name: str) -> ServiceNote:
        """The note of a service; an empty one when there is none or it cannot be read."""
        return _read(self._folder / f"{name}.json", ServiceNote) or ServiceNote()

    def write_service(self, name: str, note: ServiceNote) -> None:
        """Note a service."""
        write_private(self._folder / f"{name}.json", note.model_dump_json())

    def replicas(self) -> Iterator[ReplicaNote]:
        """Every replica that was noted, by endpoint and id."""
        for path in sorted(self._folder.glob("replica.*.json")):
            note = _read(path, ReplicaNote)
            if note is not None:
                yield note

    def write_replica(self, note: ReplicaNote) -> None:
        """Note a replica."""
        write_private(self._replica(note.record.name, note.id), note.model_dump_json())

    def drop_replica(self, endpoint: str, replica: str) -> None:
        """Forget a replica that is gone."""
        self._replica(endpoint, replica).unlink(missing_ok=True)

    def clear(self) -> None:
        """Forget everything."""
        for path in self._folder.glob("*.json"):
            path.unlink(missing_ok=True)

    def _replica(self, endpoint: str, replica: str) -> Path:
        return self._folder / f"replica.{endpoint}.{replica}.json"


def _read(path: Path, kind: type[Kind]) -> Kind | None:
    """A note, or None: one that a crash left unreadable is worth no more than none."""
    try:
        return kind.model_validate(json.loads(path.read_text()))
    except (OSError, ValueError, ValidationError):
        return None
