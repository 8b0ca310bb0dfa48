"""What the supervisor does on the side: packages before they are needed, logs within bounds."""

import asyncio
import time
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path

from runtime.local.fleet import Fleet
from runtime.local.logs import all_logs, trim
from runtime.local.notes import Notes
from runtime.local.sources import Sources
from runtime.wire import PythonSource
from runtime.wire.places import Places

FIRST_SECONDS = 10.0
"""Before all comes the endpoint that somebody waits for."""
PREFETCH_SECONDS = 2.0
TRIM_SECONDS = 60.0
DAY_SECONDS = 86_400.0


async def prefetch(fleets: Mapping[str, Fleet], sources: Sources) -> None:
    """Install packages of `python:` endpoints, one at a time, so that first requests are quick; never returns."""
    await asyncio.sleep(FIRST_SECONDS)
    while True:
        if not any(fleet.preparing for fleet in fleets.values()):
            for fleet in islice(lacking(fleets, sources), 1):
                fleet.prepare()
        await asyncio.sleep(PREFETCH_SECONDS)


def lacking(fleets: Mapping[str, Fleet], sources: Sources) -> Iterator[Fleet]:
    """Those whose packages are not installed and may be now; one that failed just now holds up no other."""
    for fleet in fleets.values():
        is_python = isinstance(fleet.record.source, PythonSource)
        if is_python and fleet.may_prepare and not sources.is_prepared(fleet.record):
            yield fleet


async def drop_environments(fleets: Mapping[str, Fleet], sources: Sources, notes: Notes) -> None:
    """Remove virtual environments that nobody has used for long, every day; never returns."""
    await asyncio.sleep(FIRST_SECONDS)
    while True:
        used = {sources.environment_key(fleet.record) for fleet in fleets.values()}
        used |= {Path(note.launch.argv[0]).parent.parent.name for note in notes.replicas()}
        await sources.environments.drop_unused(used, time.time())
        await asyncio.sleep(DAY_SECONDS)


async def trim_logs(places: Places) -> None:
    """Cut logs that grow too large, every minute; never returns."""
    while True:
        for path in all_logs(places.logs):
            trim(path)
        await asyncio.sleep(TRIM_SECONDS)
