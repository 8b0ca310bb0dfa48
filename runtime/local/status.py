"""`status`: every endpoint's replicas, queue and cause of waiting."""

from collections.abc import Sequence
from typing import Any

from aiohttp import ClientSession
from rich.table import Table
from rich.text import Text

from runtime.local.platform_api import PlatformApi
from runtime.local.settings import Settings
from runtime.local.telling import Teller

URL, CAUSE = "url", "why it waits"
HEADINGS = ("endpoint", "replicas", "ready", "busy", "waiting", "running", URL, CAUSE)
LONGEST_CAUSE = 240


async def show_status(settings: Settings, teller: Teller) -> None:
    """Say how every endpoint is.

    Raises:
        LocalError: the platform does not answer.
    """
    async with ClientSession(trust_env=False) as session:
        endpoints = await PlatformApi(session, settings.url, settings.places.token).endpoints()
    rows = [row_of(endpoint) for endpoint in endpoints]
    if teller.console.is_terminal:
        teller.console.print(table_of(rows))
        teller.say(f"{settings.url}/e/<endpoint>/")
    else:
        for line in plain_lines(rows):
            teller.say(line)


def row_of(endpoint: dict[str, Any]) -> tuple[str, ...]:
    """One endpoint's cells, as `HEADINGS` names them."""
    replicas, queue = endpoint["replicas"], endpoint["queue"]
    alive = sum(replicas[state] for state in ("starting", "ready", "busy", "retired", "failing"))
    cause = short_cause(str(endpoint["waiting"]["cause"] or ""))
    return (
        str(endpoint["name"]),
        f"{alive} of {replicas['desired']} ({replicas['min']}-{replicas['max']})",
        str(replicas["ready"]),
        str(replicas["busy"]),
        str(queue["waiting"]),
        str(queue["running"]),
        str(endpoint["url"]),
        cause,
    )


def short_cause(cause: str) -> str:
    """The first line of a cause and, where log lines follow, the last of those: there a traceback says what."""
    first, *log = cause.splitlines() or [""]
    short = f"{first}: {log[-1].strip()}" if log else first
    return short if len(short) <= LONGEST_CAUSE else f"{short[:LONGEST_CAUSE]}…"


def plain_lines(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """A table of plain text, columns aligned."""
    table = [HEADINGS, *rows]
    widths = [max(len(row[column]) for row in table) for column in range(len(HEADINGS))]
    return [
        "  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in table
    ]


def table_of(rows: Sequence[tuple[str, ...]]) -> Table:
    """A table for a terminal of 80 columns: without the URLs, and only the cause is wrapped."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in HEADINGS:
        if heading != URL:
            table.add_column(heading, no_wrap=heading != CAUSE, style="yellow" if heading == CAUSE else "")
    for row in rows:
        cells = dict(zip(HEADINGS, row, strict=True))
        del cells[URL]
        table.add_row(*map(Text, cells.values()))
    return table
