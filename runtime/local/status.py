"""`status`: every endpoint's replicas, queue and cause of waiting."""

from collections.abc import Sequence
from typing import Any

from aiohttp import ClientSession
from rich.table import Table

from runtime.local.platform_api import PlatformApi
from runtime.local.settings import Settings
from runtime.local.telling import Teller

HEADINGS = ("endpoint", "replicas", "ready", "busy", "waiting", "running", "url", "why it waits")
LONGEST_CAUSE = 120


async def show_status(settings: Settings, teller: Teller) -> None:
    """Say how every endpoint is.

    Raises:
        LocalError: the platform does not answer.
    """
    async with ClientSession(trust_env=False) as session:
        endpoints = await PlatformApi(session, settings.url, settings.places.token).endpoints()
    rows = [row_of(endpoint) for endpoint in endpoints]
    if teller.console.is_terminal:
        teller.console.print(_table(rows))
    else:
        for line in plain_lines(rows):
            teller.say(line)


def row_of(endpoint: dict[str, Any]) -> tuple[str, ...]:
    """One endpoint's cells, as `HEADINGS` names them."""
    replicas, queue = endpoint["replicas"], endpoint["queue"]
    alive = sum(replicas[state] for state in ("starting", "ready", "busy", "retired", "failing"))
    cause = str(endpoint["waiting"]["cause"] or "").partition("\n")[0]
    return (
        str(endpoint["name"]),
        f"{alive} of {replicas['desired']} ({replicas['min']}-{replicas['max']})",
        str(replicas["ready"]),
        str(replicas["busy"]),
        str(queue["waiting"]),
        str(queue["running"]),
        str(endpoint["url"]),
        cause if len(cause) <= LONGEST_CAUSE else f"{cause[:LONGEST_CAUSE]}…",
    )


def plain_lines(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """A table of plain text, columns aligned."""
    table = [HEADINGS, *rows]
    widths = [max(len(row[column]) for row in table) for column in range(len(HEADINGS))]
    return [
        "  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in table
    ]


def _table(rows: Sequence[tuple[str, ...]]) -> Table:
    table = Table(*HEADINGS)
    for row in rows:
        table.add_row(*row)
    return table
