"""Tells the local platform what to run: `python -m infra.local [--check] [--project DIR] [--state DIR]`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from infra.plan.values import Records
from infra.project import read_project
from infra.record_files import Changes, write_records
from infra.short_plan import show_short_plan
from infra.spec.errors import Fault, SpecError
from runtime.wire.places import Places
from runtime.wire.records import CommandSource, EndpointRecord, ImageSource, PythonSource

STATE_FOLDER = ".moorage"
COLOURS = {"added": "green", "changed": "yellow", "removed": "red", "unchanged": "dim"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Check a project and write its records; 1 with the faults on stderr where it is wrong."""
    chosen = _parser().parse_args(arguments)
    folder: Path = chosen.project
    try:
        project = read_project(folder)
    except SpecError as exc:
        _show_faults(exc.faults, Console(stderr=True, highlight=False))
        return 1
    records = project.records
    if chosen.check:
        _show_right(records)
        show_short_plan(folder, project, Console(highlight=False))
        return 0
    try:
        changes = write_records(records, Places(chosen.state or folder / STATE_FOLDER))
    except OSError as exc:
        sys.stderr.write(f"{exc.filename}: cannot be written: {exc.strerror}.\n  Make the folder writable.\n")
        return 1
    _show_changes(records, changes)
    show_short_plan(folder, project, Console(highlight=False))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m infra.local",
        description="Reads endpoints.yaml and templates/, and tells the local platform what to run.",
    )
    parser.add_argument("--check", action="store_true", help="only check, write nothing")
    parser.add_argument("--project", type=Path, default=Path(), help="folder of endpoints.yaml (this one)")
    parser.add_argument("--state", type=Path, help=f"the platform's folder (PROJECT/{STATE_FOLDER})")
    return parser


def _show_faults(faults: Sequence[Fault], console: Console) -> None:
    """One block a fault: bold place, then what and mend; plain text where it is no terminal."""
    for fault in faults:
        block = Text()
        block.append(fault.where, style="bold")
        block.append(f" {fault.what}\n  ", style="red")
        block.append(fault.mend)
        block.append(f"  [{fault.code}]", style="dim")
        console.print(block, soft_wrap=True)
    count = "1 fault." if len(faults) == 1 else f"{len(faults)} faults."
    console.print(Text(f"{count} Nothing was changed."), soft_wrap=True)


def _show_right(records: Records) -> None:
    count = len(records.endpoints)
    Console(highlight=False).print(f"endpoints.yaml is right: {count} endpoint{'s' * (count != 1)}.")


def _show_changes(records: Records, changes: Changes) -> None:
    """One line an endpoint, those removed too."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("endpoint", "from", "replicas", "access", "change"):
        table.add_column(heading, no_wrap=heading == "endpoint")
    known = {record.name: record for record in records.endpoints}
    for name, change in changes.endpoints.items():
        row = _row(known[name]) if name in known else ("", "", "")
        table.add_row(name, *map(Text, row), Text(change, style=COLOURS[change]))
    Console(highlight=False).print(table)


def _row(record: EndpointRecord) -> tuple[str, str, str]:
    scaling = record.scaling
    replicas = str(scaling.min) if scaling.min == scaling.max else f"{scaling.min}-{scaling.max}"
    return _origin(record), replicas, record.access


def _origin(record: EndpointRecord) -> str:
    """What it is made from, in the words of endpoints.yaml."""
    if record.template is not None:
        return f"template {record.template}"
    match record.source:
        case PythonSource(folder=folder):
            return f"python {folder}"
        case ImageSource(image=image):
            return f"image {image}"
        case CommandSource():
            return "local command"


if __name__ == "__main__":
    sys.exit(main())
