"""What the supervisor does on the side: packages before they are needed, logs within bounds."""

import asyncio
from collections.abc import Mapping

from runtime.local.fleet import Fleet
from runtime.local.logs import all_logs, trim
from runtime.local.sources import Sources
from runtime.wire import PythonSource
from runtime.wire.places import Places

FIRST_SECONDS = 10.0
"""Before all comes the endpoint that somebody waits for."""
PREFETCH_SECONDS = 2.0
TRIM_SECONDS = 60.0


async def prefetch(fleets: Mapping[str, Fleet], sources: Sources) -> None:
    """Install packages of `python:` endpoints, one at a time, so that first requests are quick; never returns."""
    await asyncio.sleep(FIRST_SECONDS)
    while True:
        if not any(fleet.preparing for fleet in fleets.values()):
            for fleet in fleets.values():
                if isinstance(fleet.record.source, PythonSource) and not sources.is_prepared(fleet.record):
                    fleet.prepare()
                    break
        await asyncio.sleep(PREFETCH_SECONDS)


async def trim_logs(places: Places) -> None:
    """Cut logs that grow too large, every minute; never returns."""
    while True:
        for path in all_logs(places.logs):
            trim(path)
        await asyncio.sleep(TRIM_SECONDS)
