"""Processes of a run: pinned to a core, ended by their pid whatever happens, and the CPU they took.

`setpriv --pdeathsig` lets the kernel end them even when the bench itself is killed; it and `taskset` replace
themselves by the program, so that the pid we hold is the program's.
"""

import os
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.errors import BenchError

END_SECONDS = 5.0
_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_BUSY_COLUMNS = (0, 1, 2, 5, 6, 7)
"""user, nice, system, irq, softirq and steal in the first line of /proc/stat."""


@dataclass(frozen=True, slots=True)
class Placement:
    """On which cores what runs; None leaves it to the kernel."""

    name: str
    system: int | None
    load: int | None
    """Core of the stubs and the generator."""


UNPINNED = Placement("unpinned", None, None)


def pinned(cores: Sequence[int]) -> Placement:
    """System on the first core, stubs and generator on the second.

    Raises:
        BenchError: there is one core only.
    """
    if len(cores) < 2:  # noqa: PLR2004 - the two that are compared
        raise BenchError("Pinned runs need two cores and this machine gives one. Run with --unpinned.")
    return Placement("pinned", cores[0], cores[1])


@dataclass(frozen=True, slots=True)
class Running:
    """One process of ours."""

    role: str
    """What it is in the system, such as `gateway` or `worker`."""
    popen: "subprocess.Popen[bytes]"
    log: Path

    @property
    def cpu_seconds(self) -> float:
        """User and system time it has used so far; it must not have been reaped."""
        stat = Path(f"/proc/{self.popen.pid}/stat").read_text()
        # The name in brackets may hold anything; utime and stime are the 12th and 13th fields behind it.
        fields = stat.rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS_PER_SECOND

    @property
    def has_ended(self) -> bool:
        """Whether it is no longer there."""
        return self.popen.poll() is not None

    def last_lines(self) -> str:
        """The end of its log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-10:])


def argv_on(core: int | None, argv: Sequence[str]) -> list[str]:
    """The command that runs a program on a core and lets it end with us."""
    pin = [] if core is None else ["taskset", "-c", str(core)]
    return ["setpriv", "--pdeathsig", "KILL", *pin, *argv]


@contextmanager
def running(
    role: str, argv: Sequence[str], *, core: int | None, log: Path, env: Mapping[str, str] | None = None
) -> Iterator[Running]:
    """A process that runs as long as the block.

    Raises:
        BenchError: `setpriv` or `taskset` is not there.
    """
    try:
        with log.open("ab") as output:
            popen = subprocess.Popen(
                argv_on(core, argv), env=env, stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )
    except FileNotFoundError as exc:
        raise BenchError(f"{exc.filename} is missing. Install util-linux (Linux only).") from exc
    try:
        yield Running(role, popen, log)
    finally:
        popen.kill()
        popen.wait(END_SECONDS)


def wait_until(is_so: Callable[[], bool], seconds: float, what: str, watched: Sequence[Running]) -> None:
    """Return as soon as something is so.

    Raises:
        BenchError: it is not so in time, or a watched process has ended; holds the end of its log.
    """
    deadline = time.monotonic() + seconds
    while not is_so():
        for process in watched:
            if process.has_ended:
                raise BenchError(f"{process.role} ended before {what}:\n{process.last_lines()}")
        if time.monotonic() > deadline:
            logs = "\n".join(f"{process.role}: {process.last_lines()}" for process in watched)
            raise BenchError(f"{what}: not within {seconds:g} s\n{logs}")
        time.sleep(0.02)


def cpu_by_role(processes: Sequence[Running]) -> dict[str, float]:
    """CPU seconds so far, processes of one role together."""
    spent: dict[str, float] = {}
    for process in processes:
        spent[process.role] = spent.get(process.role, 0.0) + process.cpu_seconds
    return spent


def machine_cpu_seconds() -> float:
    """CPU seconds of everything on the machine since it started."""
    columns = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    return sum(int(columns[i]) for i in _BUSY_COLUMNS) / _TICKS_PER_SECOND
