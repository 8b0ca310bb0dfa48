"""`make up` again: after an edit, after a crash, and with a process missing."""

import os
import signal
from pathlib import Path

import httpx
import pytest
from support.platform import Platform, Starter, stub, until

OTHER = """  - name: other
    access: public
    replicas: {{min: 1, max: 1}}
    local: {{command: '{command}'}}
"""

pytestmark = pytest.mark.timeout(60)


def ask(platform: Platform, endpoint: str, body: str = "x", **headers: str) -> httpx.Response:
    """One inference."""
    return httpx.post(f"{platform.url}/e/{endpoint}/infer", content=body, headers=headers, timeout=30)


def submit(platform: Platform, endpoint: str, body: str) -> str:
    """An async request's poll address."""
    answer = ask(platform, endpoint, body, **{"X-OctoAI-Async": "1"})
    assert answer.status_code == 201, answer.text
    url: str = answer.json()["poll_url"]
    return url


def is_completed(poll_url: str) -> bool:
    """Whether an async request has been answered."""
    return bool(httpx.get(poll_url, timeout=5).json()["status"] == "completed")


def two_stubs(folder: Path, *, sleep: float = 0.0, timeout: int = 60) -> str:
    """Endpoint `one`, and `other` which always has a replica."""
    journal = folder / "other-journal"
    command = stub("other", journal).split("command: '")[1].split("'}")[0]
    return stub("one", folder / "journal", sleep=sleep, timeout=timeout, more=OTHER.format(command=command))


def test_second_up_changes_nothing(start_platform: Starter, tmp_path: Path) -> None:
    """Every process goes on."""
    platform = start_platform(two_stubs(tmp_path))
    until(lambda: platform.endpoint("other")["replicas"]["ready"] == 1)
    before = platform.pids()

    platform.up()

    assert platform.pids() == before


def test_edit_of_one_endpoint_leaves_the_others_and_their_queues_alone(
    start_platform: Starter, tmp_path: Path
) -> None:
    """What waits at `one` is answered after `other` was changed under it."""
    platform = start_platform(two_stubs(tmp_path, sleep=0.5))
    until(lambda: platform.endpoint("other")["replicas"]["ready"] == 1)
    other_before = platform.endpoint("other")["replica_list"][0]["id"]
    polls = [submit(platform, "one", str(number)) for number in range(4)]
    until(lambda: platform.endpoint("one")["replicas"]["busy"] == 1)
    one_before = platform.endpoint("one")["replica_list"][0]["id"]

    platform.write(
        two_stubs(tmp_path, sleep=0.5).replace(
            "  - name: other", "  - name: other\n    env: {NEW: yes-please}"
        )
    )
    platform.up()

    until(lambda: platform.endpoint("other")["replica_list"][0]["id"] != other_before)
    until(lambda: all(is_completed(poll) for poll in polls))
    assert platform.endpoint("one")["replica_list"][0]["id"] == one_before
    assert len((tmp_path / "journal").read_text().splitlines()) == 4


def test_edit_of_limits_restarts_nothing(start_platform: Starter, tmp_path: Path) -> None:
    """They are picked up while running."""
    endpoints = stub("one", tmp_path / "journal")
    platform = start_platform(endpoints)
    ask(platform, "one")
    before = platform.pids()

    platform.write(endpoints.replace("timeout: 60", "timeout: 60\n    limits: {waiting: 7, body_mib: 1}"))
    platform.up()

    until(lambda: ask(platform, "one", "x" * 1_100_000).status_code == 413)
    assert platform.pids() == before


def test_supervisor_killed_hurts_no_request_and_the_next_one_adopts_all(
    start_platform: Starter, tmp_path: Path
) -> None:
    """Replicas, gateway and queue run on."""
    platform = start_platform(stub("one", tmp_path / "journal", sleep=1.0))
    ask(platform, "one", "first")
    before = platform.pids() - {platform.service_pid("supervisor")}
    poll = submit(platform, "one", "second")
    os.kill(platform.service_pid("supervisor"), signal.SIGKILL)

    assert ask(platform, "one", "third").text == "third"
    platform.up()

    until(lambda: is_completed(poll))
    assert before <= platform.pids()
    assert len((tmp_path / "journal").read_text().splitlines()) == 3


def test_queue_killed_keeps_what_it_accepted(start_platform: Starter, tmp_path: Path) -> None:
    """Valkey comes back with its journal; what waited is run."""
    platform = start_platform(
        stub("one", tmp_path / "journal", sleep=0.3), env={"MOORAGE_APPENDFSYNC": "always"}
    )
    polls = [submit(platform, "one", str(number)) for number in range(5)]

    os.kill(platform.service_pid("valkey"), signal.SIGKILL)

    until(lambda: _all_completed(polls), 40)


def test_gateway_killed_comes_back(start_platform: Starter, tmp_path: Path) -> None:
    """On the same port, with the accepted async requests as they were."""
    platform = start_platform(stub("one", tmp_path / "journal", sleep=0.3))
    poll = submit(platform, "one", "x")

    os.kill(platform.service_pid("gateway"), signal.SIGKILL)

    until(lambda: _all_completed([poll]), 30)


def test_model_killed_in_the_middle_runs_the_request_again(start_platform: Starter, tmp_path: Path) -> None:
    """The client notices nothing but the time it takes."""
    journal = tmp_path / "journal"
    platform = start_platform(stub("one", journal, sleep=1.0))
    poll = submit(platform, "one", "x")
    until(lambda: journal.exists() and journal.read_text())

    os.kill(int(journal.read_text().split()[0]), signal.SIGKILL)

    until(lambda: is_completed(poll), 30)
    assert len(journal.read_text().splitlines()) == 2


def test_removed_endpoint_serves_what_it_accepted_and_goes(start_platform: Starter, tmp_path: Path) -> None:
    """Its address answers 404, its queue is drained, then its replicas end."""
    platform = start_platform(two_stubs(tmp_path, sleep=0.5))
    for number in range(4):
        submit(platform, "one", str(number))
    until(lambda: platform.endpoint("one")["replicas"]["busy"] == 1)
    one = int((tmp_path / "journal").read_text().split()[0])

    platform.write(two_stubs(tmp_path).replace("  - name: one", "  - name: new"))
    platform.up()

    until(lambda: ask(platform, "one").status_code == 404)
    assert ask(platform, "new").text == "x"
    until(lambda: not Path(f"/proc/{one}").exists())
    assert {line.split()[1] for line in (tmp_path / "journal").read_text().splitlines()} >= set("0123")


def _all_completed(polls: list[str]) -> bool:
    try:
        return all(is_completed(poll) for poll in polls)
    except (httpx.TransportError, KeyError):
        return False
