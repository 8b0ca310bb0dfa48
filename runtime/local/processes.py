"""Start, watch and stop processes that outlive their supervisor."""

import asyncio
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from runtime.local.pids import MARK, ProcessId, identify, is_alive, send, session_of, wait_gone

KILL_SECONDS = 5.0
"""How long the end of a killed process is waited for."""


@dataclass(frozen=True, slots=True)
class Command:
    """A program to start."""

    argv: Sequence[str]
    env: Mapping[str, str] = field(repr=False)
    """Its whole environment; may hold secrets."""
    cwd: Path
    log: Path
    """Takes its output, at the end."""
    mark: str
    """`<state folder>#<role>`, by which it is known as ours whatever happens to our notes."""


class Process:
    """A running process in a session of its own: our child, or adopted from a supervisor before us."""

    def __init__(self, identity: ProcessId, child: "subprocess.Popen[bytes] | None" = None) -> None:
        self.identity = identity
        self._child = child

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return is_alive(self.identity)

    async def wait(self) -> int | None:
        """Return when it has ended: its exit status, minus the signal's number, None for an adopted one."""
        await wait_gone(self.identity)
        return None if self._child is None else self._child.wait()

    def signal(self, number: signal.Signals) -> None:
        """Signal it; nothing happens when it is gone."""
        send(self.identity, number)

    async def stop(self, grace_seconds: float) -> None:
        """SIGTERM, then SIGKILL to it and whatever it left in its session; returns when all are gone."""
        self.signal(signal.SIGTERM)
        with suppress(TimeoutError):
            async with asyncio.timeout(grace_seconds):
                await self.wait()
        await kill_session(self.identity)
        if self._child is not None:
            self._child.poll()


async def kill_session(leader: ProcessId) -> None:
    """SIGKILL a process and all of its session; returns when they are gone, or after 5 s."""
    for _ in range(3):  # a process may fork while the list is read
        members = session_of(leader)
        for member in members:
            send(member, signal.SIGKILL)
        if not members:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(KILL_SECONDS):
                for member in members:
                    await wait_gone(member)


def start(command: Command) -> Process:
    """Start a program in a session of its own, so that signals to our terminal do not reach it.

    Raises:
        OSError: it cannot be started.
    """
    command.log.parent.mkdir(parents=True, exist_ok=True)
    with command.log.open("ab") as log:
        child = subprocess.Popen(  # noqa: S603 - the user's own programs, from argv lists
            command.argv,
            env={**command.env, MARK: command.mark},
            cwd=command.cwd,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    identity = identify(child.pid)
    if identity is None:  # it has ended already; it cannot be anybody else's pid before we reap it
        child.wait()
        identity = ProcessId(pid=child.pid, started="ended")
    return Process(identity, child)


def adopt(identity: ProcessId | None) -> Process | None:
    """The process that a supervisor before us noted, if it still runs."""
    return Process(identity) if identity is not None and is_alive(identity) else None


def base_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The few variables that any program gets: never the whole environment, which may hold secrets."""
    return {name: value for name, value in environ.items() if name in KEPT or name.startswith("LC_")}


KEPT = frozenset(
    {
        "CUDA_VISIBLE_DEVICES",
        "HOME",
        "LANG",
        "LD_LIBRARY_PATH",
        "LOGNAME",
        "PATH",
        "REQUESTS_CA_BUNDLE",
        "SSL_CERT_DIR",
        "SSL_CERT_FILE",
        "TMPDIR",
        "TZ",
        "USER",
        "XDG_CACHE_HOME",
        "XDG_RUNTIME_DIR",
    }
)
"""Variables of ours that models, workers and the gateway see."""


def mark_of(state: Path, role: str) -> str:
    """What marks a process of this state folder in a role."""
    return f"{state}#{role}"


async def run_to_end(command: Command, seconds: float) -> int:
    """Run a program to its end: its exit status. It does not outlive our waiting for it.

    Raises:
        OSError: it cannot be started.
        TimeoutError: it ran longer than so many seconds.
    """
    process = start(command)
    try:
        async with asyncio.timeout(seconds):
            status = await process.wait()
    finally:
        await asyncio.shield(process.stop(0))
    return 0 if status is None else status
