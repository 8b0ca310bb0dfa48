"""Processes that stand still: for less than a lease nothing happens, for more another takes over, once."""

import os
import signal
import time
from pathlib import Path

import httpx
import pytest
from support.platform import Platform, Starter, stub, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(90)]
LEASE_SECONDS = 5


def submit(platform: Platform, sleep: float) -> str:
    """The poll address of an async request that runs so long."""
    answer = httpx.post(
        f"{platform.url}/e/one/infer", content="x", headers={"X-OctoAI-Async": "1", "X-Sleep": str(sleep)}
    )
    url: str = answer.json()["poll_url"]
    return url


def runs(journal: Path) -> int:
    """How often the model began."""
    return len(journal.read_text().splitlines()) if journal.exists() else 0


def worker_pid(platform: Platform) -> int:
    """The worker of the only replica that is busy."""
    busy = [one["id"] for one in platform.endpoint("one")["replica_list"] if one["state"] == "busy"]
    return platform.replica_pids(busy[0])["worker"]


@pytest.fixture
def platform(start_platform: Starter, tmp_path: Path) -> Platform:
    """Two replicas may run; leases are short."""
    env = {"MOORAGE_LEASE_SECONDS": str(LEASE_SECONDS)}
    return start_platform(stub("one", tmp_path / "journal", replicas="{min: 2, max: 2}"), env=env)


def test_worker_stopped_for_less_than_a_lease_keeps_its_request(platform: Platform, tmp_path: Path) -> None:
    """One run, one answer."""
    poll = submit(platform, 8)
    until(lambda: runs(tmp_path / "journal") == 1)
    worker = worker_pid(platform)

    os.kill(worker, signal.SIGSTOP)
    time.sleep(LEASE_SECONDS * 0.5)
    os.kill(worker, signal.SIGCONT)

    until(lambda: httpx.get(poll).json()["status"] == "completed", 30)
    assert runs(tmp_path / "journal") == 1


def test_worker_stopped_for_longer_is_fenced_off(platform: Platform, tmp_path: Path) -> None:
    """Another runs the request within lease + 1 s; the late one changes nothing and its model is not shared."""
    poll = submit(platform, 8)
    until(lambda: runs(tmp_path / "journal") == 1)
    worker = worker_pid(platform)

    os.kill(worker, signal.SIGSTOP)
    stopped = time.monotonic()
    until(lambda: runs(tmp_path / "journal") == 2, LEASE_SECONDS + 5)
    took = time.monotonic() - stopped
    os.kill(worker, signal.SIGCONT)

    assert took <= LEASE_SECONDS + 1
    until(lambda: httpx.get(poll).json()["status"] == "completed", 30)
    assert runs(tmp_path / "journal") == 2
    assert "overlap" not in (tmp_path / "journal").read_text()


def test_worker_killed_while_its_model_runs_on_never_overlaps(platform: Platform, tmp_path: Path) -> None:
    """The model is restarted before its replica serves again."""
    polls = [submit(platform, 3) for _ in range(4)]
    until(lambda: runs(tmp_path / "journal") == 2)

    os.kill(worker_pid(platform), signal.SIGKILL)

    until(lambda: all(httpx.get(poll).json()["status"] == "completed" for poll in polls), 60)
    assert "overlap" not in (tmp_path / "journal").read_text()
