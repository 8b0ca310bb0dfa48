"""Daemons: noted, watched and ended by pid and start."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cluster.errors import ClusterError
from cluster.processes import Processes, Program, end
from support.polling import until

from runtime.local.pids import ProcessId, is_alive

SLEEP = ("sleep", "60")


@pytest.fixture
async def processes(tmp_path: Path) -> AsyncIterator[Processes]:
    """A run folder's, all ended afterwards."""
    found = Processes(tmp_path / "run")
    yield found
    await found.stop(found.names(), seconds=0)
    # What only leads to a daemon ends a moment after it.
    await until(lambda: all(child.poll() is not None for child in found._children))


def _name(process: ProcessId) -> str:
    return Path(f"/proc/{process.pid}/comm").read_text().strip()


async def test_started_daemon_is_found_by_another_process(processes: Processes, tmp_path: Path) -> None:
    """Notes are files: whoever knows the folder finds it."""
    started = await processes.start(Program("sleeper", SLEEP))

    assert Processes(tmp_path / "run").find("sleeper") == started


async def test_pid_of_another_process_is_not_taken_for_the_daemon(
    processes: Processes, tmp_path: Path
) -> None:
    """A pid that was used again has another start: it is never signalled."""
    started = await processes.start(Program("sleeper", SLEEP))
    note = tmp_path / "run" / "processes" / "stranger.json"
    note.write_text(json.dumps({"pid": started.pid, "started": "another boot/1"}))

    await processes.stop(["stranger"], seconds=1)

    assert is_alive(started)


async def test_running_daemon_is_not_started_again(processes: Processes) -> None:
    """Two of one name would be noted as one."""
    await processes.start(Program("sleeper", SLEEP))

    with pytest.raises(ClusterError, match="sleeper is running already"):
        await processes.start(Program("sleeper", SLEEP))


async def test_forked_program_is_the_one_that_is_noted(processes: Processes) -> None:
    """What leads into a room waits for the daemon; ending that would end nothing."""
    started = await processes.start(Program("sleeper", SLEEP, door=("sh", "-c", '"$@"; true', "door")))

    assert _name(started) == "sleep"


async def test_daemon_that_ends_at_once_shows_its_last_words(processes: Processes) -> None:
    """The log's end says more than a status."""
    program = Program("broken", ("sh", "-c", "echo no such flag; exit 1"), door=("env",))

    with pytest.raises(ClusterError, match="broken has ended:\n  no such flag"):
        await processes.start(program)


async def test_stopped_daemon_is_gone_and_forgotten(processes: Processes) -> None:
    """Nothing to be found, nothing noted."""
    started = await processes.start(Program("sleeper", SLEEP))

    await processes.stop(["sleeper", "never-started"], seconds=5)

    assert not is_alive(started)
    assert processes.names() == []


async def test_daemon_that_does_not_listen_is_killed(processes: Processes) -> None:
    """After its time is over."""
    deaf = ("sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.1; done")
    started = await processes.start(Program("deaf", deaf))
    await until(lambda: "ready" in processes.last_lines("deaf"))

    await processes.stop(["deaf"], seconds=0.1)

    assert not is_alive(started)


async def test_stray_is_found_without_its_note(processes: Processes) -> None:
    """Whoever started it may have been killed before the note."""
    started = await processes.start(Program("sleeper", SLEEP))
    processes.forget("sleeper")

    await until(lambda: len(processes.strays()) == 1)  # what led to it ends a moment later
    assert processes.strays() == [started]
    await end(processes.strays(), seconds=0)
