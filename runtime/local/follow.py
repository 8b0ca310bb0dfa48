"""`logs`: the last lines of the platform's or an endpoint's logs, and what comes after."""

import time
from collections.abc import Sequence
from pathlib import Path

from runtime.local.errors import LocalError
from runtime.local.logs import all_logs, last_lines, size_of
from runtime.local.settings import Settings
from runtime.local.telling import Teller

LINES = 40
MOST_BYTES = 64 * 1024
POLL_SECONDS = 0.25
MOST_FILES = 6
"""So many logs of an endpoint, the newest, are shown."""


def log_files(settings: Settings, endpoint: str | None) -> list[Path]:
    """The logs of the platform's own processes, or the newest of an endpoint.

    Raises:
        LocalError: there is none.
    """
    folder = settings.places.logs
    if endpoint is None:
        found = sorted(folder.glob("*.log"))
    elif "/" in endpoint or endpoint.startswith("."):
        found = []
    else:
        newest_last = sorted(all_logs(folder / endpoint), key=lambda path: path.stat().st_mtime)
        found = newest_last[-MOST_FILES:]
    if not found:
        raise LocalError("there are no logs yet." if endpoint is None else f"{endpoint} has no logs yet.")
    return found


def show_logs(settings: Settings, endpoint: str | None, teller: Teller, *, follow: bool) -> None:
    """Say the last lines of the logs; with `follow` go on until the user interrupts.

    Raises:
        LocalError: there are none.
    """
    files = log_files(settings, endpoint)
    begun = {path: size_of(path) for path in files}
    for path in files:
        _show(path, last_lines(path, LINES, most_bytes=MOST_BYTES).splitlines(), teller)
    if not any(begun.values()):
        teller.say(f"Nothing was written to {len(files)} logs yet.")
    while follow:
        time.sleep(POLL_SECONDS)
        for path in log_files(settings, endpoint):
            begun[path] = _show_new(path, begun.get(path, 0), teller)


def _show_new(path: Path, begin: int, teller: Teller) -> int:
    """Say what was written after a place in a log; the new place."""
    size = size_of(path)
    if size < begin:
        begin = 0  # it was cut
    if size == begin:
        return begin
    with path.open("rb") as file:
        file.seek(begin)
        text = file.read(MOST_BYTES)
    whole = text.rpartition(b"\n")[0] if len(text) < MOST_BYTES else text
    if whole:
        _show(path, whole.decode(errors="replace").splitlines(), teller)
    return begin + len(whole) + (len(text) < MOST_BYTES and bool(whole))


def _show(path: Path, lines: Sequence[str], teller: Teller) -> None:
    name = f"{path.parent.name}/{path.stem}" if path.parent.name != "logs" else path.stem
    for line in lines:
        teller.say(f"{name} | {line}")
