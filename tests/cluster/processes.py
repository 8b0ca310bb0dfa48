"""The cluster's daemons: each noted by its pid and start, with a log of its own; they outlive who started them."""

import asyncio
import os
import signal
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cluster.commands import tail
from cluster.errors import ClusterError

from runtime.local.pids import MARK, ProcessId, identify, is_alive, marked, send, wait_gone

START_SECONDS = 10.0
KILL_SECONDS = 10.0
POLL_SECONDS = 0.02
KEPT = ("HOME", "LANG", "PATH", "TMPDIR", "TZ")
"""Variables of ours that daemons see; no proxy or secret of whoever tests."""


@dataclass(frozen=True, slots=True)
class Program:
    """A daemon to start."""

    name: str
    argv: Sequence[str | Path]
    door: Sequence[str] = ()
    """What leads into the room that it runs in."""
    child: str = ""
    """Name of the program that `argv` forks and waits for, where it does so: that one is noted."""
    environment: Mapping[str, str] = field(default_factory=dict)


class Processes:
    """What runs, by name, from notes in the run folder: any process may read them."""

    def __init__(self, run: Path) -> None:
        self._run = run
        self._notes = run / "processes"
        self.logs = run / "logs"
        self._children: list[subprocess.Popen[bytes]] = []

    async def start(self, program: Program) -> ProcessId:
        """Start a daemon and note it; its log goes on where an earlier one's ended.

        Raises:
            ClusterError: it runs already, or did not start.
        """
        if self.find(program.name) is not None:
            raise ClusterError(f"{program.name} is running already.")
        parent = self._spawn(program)
        forks = bool(program.door) or bool(program.child)
        process = await self._child_of(parent, program) if forks else identify(parent.pid)
        if process is None:
            raise ClusterError(self.ended(program.name))
        self._notes.mkdir(parents=True, exist_ok=True)
        self._note(program.name).write_text(process.model_dump_json())
        return process

    def find(self, name: str) -> ProcessId | None:
        """The process noted under a name, if that very one still runs."""
        try:
            noted = ProcessId.model_validate_json(self._note(name).read_text())
        except (FileNotFoundError, ValueError):  # none, or the machine stopped while it was written
            return None
        return noted if is_alive(noted) else None

    def names(self) -> list[str]:
        """Of all that was started and not forgotten, running or not, sorted."""
        return sorted(path.stem for path in self._notes.glob("*.json"))

    def forget(self, name: str) -> None:
        """No longer count on it: what is not noted may end."""
        self._note(name).unlink(missing_ok=True)

    def require(self, names: Iterable[str]) -> None:
        """See that they all run.

        Raises:
            ClusterError: one has ended; with its last lines.
        """
        for name in names:
            if self.find(name) is None:
                raise ClusterError(self.ended(name))

    async def stop(self, names: Iterable[str], seconds: float) -> None:
        """SIGTERM to all of them, SIGKILL to those that still run after so many seconds; they are forgotten.

        Raises:
            ClusterError: one does not even end when it is killed.
        """
        named = list(names)
        found = {name: process for name in named if (process := self.find(name)) is not None}
        await end(found.values(), seconds)
        for name in named:
            self.forget(name)
        for child in self._children:
            child.poll()

    def strays(self) -> list[ProcessId]:
        """All living processes that were started for this run folder, noted or not."""
        return [process for process in marked(self._run) if process.pid != os.getpid()]

    def log(self, name: str) -> Path:
        """Where its output goes."""
        return self.logs / f"{name}.log"

    def last_lines(self, name: str) -> str:
        """The end of its log, indented."""
        try:
            text = self.log(name).read_text(errors="replace")
        except FileNotFoundError:
            text = ""
        return f"{tail(text) or '  (it wrote nothing)'}\n  ({self.log(name)})"

    def ended(self, name: str) -> str:
        """What to say of a daemon that should run and does not."""
        return f"{name} has ended:\n{self.last_lines(name)}"

    def _note(self, name: str) -> Path:
        return self._notes / f"{name}.json"

    def _spawn(self, program: Program) -> "subprocess.Popen[bytes]":
        self.logs.mkdir(parents=True, exist_ok=True)
        kept = {name: os.environ[name] for name in KEPT if name in os.environ}
        with self.log(program.name).open("ab") as log:
            child = subprocess.Popen(
                [*program.door, *(str(word) for word in program.argv)],
                env={**kept, **program.environment, MARK: f"{self._run}#{program.name}"},
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._children.append(child)  # else its end would be reaped, and warned of, at any time
        return child

    async def _child_of(self, parent: "subprocess.Popen[bytes]", program: Program) -> ProcessId | None:
        """What a program that only leads somewhere has forked, once it runs what it should."""
        wanted = program.child or Path(str(program.argv[0])).name
        deadline = asyncio.get_running_loop().time() + START_SECONDS
        while asyncio.get_running_loop().time() < deadline and parent.poll() is None:
            for pid in _children(parent.pid):
                # The kernel keeps 15 letters of a name.
                if _name(pid) == wanted[:15]:
                    return identify(pid)
            await asyncio.sleep(POLL_SECONDS)
        return None


async def end(processes: Iterable[ProcessId], seconds: float) -> None:
    """SIGTERM, then SIGKILL to those that still run after so many seconds.

    Raises:
        ClusterError: one does not even end when it is killed.
    """
    asked = [process for process in processes if send(process, signal.SIGTERM)]
    left = await _still_alive(asked, seconds)
    for process in left:
        send(process, signal.SIGKILL)
    if left := await _still_alive(left, KILL_SECONDS):
        pids = ", ".join(str(process.pid) for process in left)
        raise ClusterError(f"These processes do not end when they are killed: {pids}.")


async def _still_alive(processes: list[ProcessId], seconds: float) -> list[ProcessId]:
    try:
        async with asyncio.timeout(seconds):
            for process in processes:
                await wait_gone(process)
    except TimeoutError:
        return [process for process in processes if is_alive(process)]
    return []


def _children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:  # it has ended
        return []


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""
