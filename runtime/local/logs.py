"""Log files: their last lines, and a bound on their size."""

from collections.abc import Iterator
from pathlib import Path

TAIL_BYTES = 4096
TRIM_BYTES = 16 << 20
"""A log larger than this is cut down to its last 4 MiB."""
KEPT_BYTES = 4 << 20
KEPT_FILES = 20
"""Most log files of replicas that one endpoint keeps."""


def size_of(path: Path) -> int:
    """Bytes in a log; 0 when there is none."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def last_lines(path: Path, lines: int, since: int = 0, most_bytes: int = TAIL_BYTES) -> str:
    """The last lines of a log, written after its first `since` bytes; at most so many bytes."""
    try:
        with path.open("rb") as file:
            end = file.seek(0, 2)
            begin = max(0 if since > end else since, end - most_bytes)
            file.seek(begin)
            text = file.read(most_bytes).decode(errors="replace")
    except OSError:
        return ""
    return "\n".join(text.rstrip().splitlines()[-lines:])


def trim(path: Path) -> None:
    """Cut a log that grew too large; its writer appends, so it goes on at the new end."""
    if size_of(path) <= TRIM_BYTES:
        return
    with path.open("r+b") as file:
        file.seek(-KEPT_BYTES, 2)
        kept = file.read()
        file.seek(0)
        file.truncate()
        file.write(kept)


def all_logs(folder: Path) -> Iterator[Path]:
    """Every log below a folder, by name."""
    return iter(sorted(folder.rglob("*.log")))


def drop_old(folder: Path, alive: set[str]) -> None:
    """Remove all but the newest logs of an endpoint; those of living replicas stay."""
    found = [path for path in folder.glob("*.log") if path.name.split(".")[0] not in alive]
    newest_first = sorted(found, key=lambda path: path.stat().st_mtime, reverse=True)
    for path in newest_first[KEPT_FILES:]:
        path.unlink(missing_ok=True)
