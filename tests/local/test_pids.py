"""Identity of processes: a pid and its start."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.polling import until

from runtime.local.pids import ProcessId, identify, is_alive, marked, send, session_of, wait_gone
from runtime.local.processes import Command, mark_of, start

SLEEP = (sys.executable, "-c", "import time; time.sleep(60)")


@pytest.fixture
def sleeper() -> Iterator["subprocess.Popen[bytes]"]:
    """A process that does nothing."""
    with subprocess.Popen(SLEEP) as process:
        yield process
        process.kill()


def test_a_reused_pid_is_not_the_process(sleeper: "subprocess.Popen[bytes]") -> None:
    """Same pid, another start: not alive, not signalled."""
    identity = identify(sleeper.pid)
    assert identity is not None
    other = ProcessId(pid=sleeper.pid, started=identity.started + "0")

    assert not is_alive(other)
    assert not send(other, signal.SIGKILL)
    assert is_alive(identity)


def test_an_ended_child_is_not_alive_before_it_is_reaped(sleeper: "subprocess.Popen[bytes]") -> None:
    """A zombie does nothing any more."""
    identity = identify(sleeper.pid)
    assert identity is not None

    assert send(identity, signal.SIGKILL)
    asyncio.run(wait_gone(identity))

    assert not is_alive(identity)
    assert not send(identity, signal.SIGTERM)


async def test_waiting_for_a_process_that_is_gone_returns_at_once() -> None:
    """Whatever became of its pid."""
    await wait_gone(ProcessId(pid=2**22 + 1, started="boot/1"))


async def test_a_marked_process_is_found_without_any_note(tmp_path: Path) -> None:
    """By the variable in its environment, with its role; those of other folders are not."""
    mark = mark_of(tmp_path, "ab12.model")
    process = start(Command(SLEEP, {"PATH": "/usr/bin"}, tmp_path, tmp_path / "log", mark))
    try:
        await until(lambda: marked(tmp_path) == {process.identity: "ab12.model"})

        assert marked(tmp_path / "other") == {}
    finally:
        await process.stop(0)


async def test_a_session_holds_the_children_of_a_leader(tmp_path: Path) -> None:
    """Also after the leader was killed; stopping ends them all."""
    script = f"import subprocess, time; subprocess.Popen({SLEEP!r}); time.sleep(60)"
    process = start(
        Command((sys.executable, "-c", script), {"PATH": "/usr/bin"}, tmp_path, tmp_path / "log", "x#y")
    )
    await until(lambda: len(session_of(process.identity)) == 2)
    process.signal(signal.SIGKILL)
    await process.wait()

    assert len(session_of(process.identity)) == 1
    await process.stop(0)
    assert session_of(process.identity) == []
