"""Writes records as JSON files: whole or not at all, and only those that changed."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from infra.plan.values import Records
from runtime.wire.places import Places
from runtime.wire.records import Record

Change = Literal["added", "changed", "unchanged", "removed"]


@dataclass(frozen=True, slots=True)
class Changes:
    """What a writing did to each endpoint, by name and sorted."""

    endpoints: dict[str, Change]


def write_records(records: Records, places: Places) -> Changes:
    """Make the files below `places` say what the records say; files of what is gone are removed.

    A reader sees each file either as it was or as it is, never in between.

    Raises:
        OSError: a file cannot be written.
    """
    places.state.mkdir(mode=0o700, parents=True, exist_ok=True)
    _write(places.account, _text(records.account))
    _replace(places.templates, {record.name: _text(record) for record in records.templates})
    endpoints = {record.name: _text(record) for record in records.endpoints}
    return Changes(dict(sorted(_replace(places.endpoints, endpoints).items())))


def _text(record: Record) -> str:
    return record.model_dump_json(indent=2) + "\n"


def _replace(folder: Path, texts: dict[str, str]) -> dict[str, Change]:
    """Make a folder hold exactly these `<name>.json`."""
    folder.mkdir(parents=True, exist_ok=True)
    _remove(folder.glob(".*.part"))  # what an interrupted writing left
    gone = [path for path in folder.glob("*.json") if path.stem not in texts]
    changes: dict[str, Change] = {path.stem: "removed" for path in gone}
    for name, text in texts.items():
        changes[name] = _write(folder / f"{name}.json", text)
    _remove(gone)
    return changes


def _write(path: Path, text: str) -> Change:
    old = path.read_bytes() if path.is_file() else None
    new = text.encode()
    if old == new:
        return "unchanged"
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    part.write_bytes(new)
    part.replace(path)
    return "added" if old is None else "changed"


def _remove(paths: Iterable[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)
