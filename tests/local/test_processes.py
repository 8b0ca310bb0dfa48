"""Starting and stopping programs."""

import sys
from pathlib import Path

import pytest

from runtime.local.processes import Command, adopt, base_environment, run_to_end, start

STUBBORN = """
import signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("deaf", flush=True)
time.sleep(60)
"""


def command(tmp_path: Path, script: str) -> Command:
    """A Python script as a program."""
    return Command((sys.executable, "-c", script), {"A": "1"}, tmp_path, tmp_path / "logs" / "out.log", "x#y")


async def test_output_goes_to_the_log_and_the_status_comes_back(tmp_path: Path) -> None:
    """Both streams, appended."""
    script = "import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)"

    status = await run_to_end(command(tmp_path, script), 10)

    assert status == 3
    assert sorted((tmp_path / "logs" / "out.log").read_text().split()) == ["err", "out"]


async def test_a_program_sees_only_the_environment_it_is_given(tmp_path: Path) -> None:
    """Nothing of ours but the mark."""
    await run_to_end(command(tmp_path, "import os; print(sorted(set(os.environ) - {'LC_CTYPE'}))"), 10)

    assert (tmp_path / "logs" / "out.log").read_text().strip() == "['A', 'MOORAGE_PROCESS']"


async def test_a_program_that_takes_too_long_is_killed(tmp_path: Path) -> None:
    """And the wait says so."""
    with pytest.raises(TimeoutError):
        await run_to_end(command(tmp_path, "import time; time.sleep(60)"), 0.2)


async def test_a_process_deaf_to_sigterm_is_killed(tmp_path: Path) -> None:
    """After its grace."""
    process = start(command(tmp_path, STUBBORN))

    await process.stop(0.2)

    assert not process.alive


async def test_an_ended_process_is_not_adopted(tmp_path: Path) -> None:
    """Its note is worth nothing."""
    process = start(command(tmp_path, "pass"))
    identity = process.identity
    await process.wait()

    assert adopt(identity) is None
    assert adopt(None) is None


def test_a_secret_in_our_environment_is_not_in_the_base() -> None:
    """Only a few names are passed on."""
    environ = {"PATH": "/bin", "LC_ALL": "C", "MOORAGE_SECRET_X": "v", "AWS_SECRET_ACCESS_KEY": "v"}

    assert base_environment(environ) == {"PATH": "/bin", "LC_ALL": "C"}
