"""Which process is meant: a pid together with its start, so that a reused pid is never signalled."""

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path

from runtime.wire import Record

PROC = Path("/proc")
MARK = "MOORAGE_PROCESS"
"""Variable in the environment of every process that the platform starts: `<state folder>#<role>`."""
POLL_SECONDS = 0.2


class ProcessId(Record):
    """One process of one boot of the machine."""

    pid: int
    started: str
    """Boot and start time in clock ticks after it."""


def identify(pid: int) -> ProcessId | None:
    """The living process with this pid; None when there is none, or only its unreaped end."""
    stat = _stat(pid)
    if stat is None or stat[0] in "ZX":
        return None
    return ProcessId(pid=pid, started=f"{_boot()}/{stat[19]}")


def is_alive(process: ProcessId | None) -> bool:
    """Whether that very process runs."""
    return process is not None and identify(process.pid) == process


def send(process: ProcessId, number: signal.Signals) -> bool:
    """Signal that very process; False when it is gone."""
    try:
        handle = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return False
    except OSError:  # no pidfd on this kernel: a small race is left
        return _kill_checked(process, number)
    try:
        if not is_alive(process):
            return False
        signal.pidfd_send_signal(handle, number)
    except ProcessLookupError:
        return False
    finally:
        os.close(handle)
    return True


def session_of(leader: ProcessId) -> list[ProcessId]:
    """Every living process of the session that this process began, itself included.

    Children outlive a leader that was killed; no new process can take the leader's pid while they live.
    """
    found = []
    for pid in _pids():
        stat = _stat(pid)
        if stat is not None and int(stat[3]) == leader.pid:
            member = identify(pid)
            if member is not None and _not_older(member, leader):
                found.append(member)
    return found


def marked(state: Path) -> dict[ProcessId, str]:
    """Every living process that the platform of this state folder started, with its role."""
    found = {}
    for pid in _pids():
        place, _, role = environment_of(pid).get(MARK, "").rpartition("#")
        process = identify(pid) if place == str(state) else None
        if process is not None:
            found[process] = role
    return found


def environment_of(pid: int) -> dict[str, str]:
    """The variables that a process was started with; none when it is gone or somebody else's."""
    try:
        raw = (PROC / str(pid) / "environ").read_bytes()
    except OSError:
        return {}
    pairs = (entry.decode(errors="replace").partition("=") for entry in raw.split(b"\0") if entry)
    return {name: value for name, _, value in pairs}


async def wait_gone(process: ProcessId) -> None:
    """Return when that very process has ended, child of ours or not."""
    try:
        handle = os.pidfd_open(process.pid)
    except OSError:  # gone, or no pidfd on this kernel
        while True:
            if not is_alive(process):
                return
            await asyncio.sleep(POLL_SECONDS)
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(handle, ended.set)
    try:
        if is_alive(process):
            await ended.wait()
    finally:
        loop.remove_reader(handle)
        os.close(handle)


def _kill_checked(process: ProcessId, number: signal.Signals) -> bool:
    if not is_alive(process):
        return False
    try:
        os.kill(process.pid, number)
    except ProcessLookupError:
        return False
    return True


def _not_older(member: ProcessId, leader: ProcessId) -> bool:
    boot, _, ticks = member.started.partition("/")
    leader_boot, _, leader_ticks = leader.started.partition("/")
    return boot == leader_boot and int(ticks) >= int(leader_ticks)


def _pids() -> Iterator[int]:
    return (int(entry.name) for entry in PROC.iterdir() if entry.name.isdigit())


def _stat(pid: int) -> list[str] | None:
    """Fields of /proc/<pid>/stat from the third (state) on; the second may hold blanks and brackets."""
    try:
        text = (PROC / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return None
    return text.rpartition(")")[2].split()


def _boot() -> str:
    return (PROC / "sys/kernel/random/boot_id").read_text().strip()
