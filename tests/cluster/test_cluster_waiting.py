"""Waiting for a fact of the cluster."""

from pathlib import Path

import pytest
from cluster.errors import ClusterError
from cluster.processes import Processes, Program
from cluster.waiting import until


async def _never() -> bool:
    return False


async def test_deadline_shows_the_watched_logs(tmp_path: Path) -> None:
    """What did not come about, and what those said on whom it depends."""
    processes = Processes(tmp_path)
    await processes.start(Program("talker", ("sh", "-c", "echo I wait for a volume; exec sleep 60")))

    with pytest.raises(
        ClusterError, match=r"Not so after 0\.3 s: Pods run\.\ntalker:\n  I wait for a volume"
    ):
        await until("Pods run", _never, 0.3, processes, ["talker"])
    await processes.stop(["talker"], seconds=0)


async def test_end_of_a_watched_daemon_ends_the_wait(tmp_path: Path) -> None:
    """Nobody waits a minute for what has crashed in the first second."""
    with pytest.raises(ClusterError, match="crashed has ended"):
        await until("Pods run", _never, 60, Processes(tmp_path), ["crashed"])
