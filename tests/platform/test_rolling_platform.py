"""Every process in turn is restarted under load: no request fails, none is run twice."""

import asyncio
import os
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from support.platform import Platform, Starter, stub, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(150)]
CLIENTS = 4


@contextmanager
def load(platform: Platform, endpoint: str) -> Iterator[Counter[str]]:
    """A few clients that ask without a pause while the block runs; how their calls ended."""
    seen: Counter[str] = Counter()
    stop = threading.Event()

    async def ask(client: httpx.AsyncClient) -> None:
        while not stop.is_set():
            try:
                answer = await client.post(f"{platform.url}/e/{endpoint}/infer", content="x")
                seen[str(answer.status_code)] += 1
            except httpx.HTTPError as fault:
                seen[type(fault).__name__] += 1

    async def run() -> None:
        async with httpx.AsyncClient(timeout=30, trust_env=False) as client, asyncio.TaskGroup() as group:
            for _ in range(CLIENTS):
                group.create_task(ask(client))

    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    try:
        yield seen
    finally:
        stop.set()
        thread.join(60)


def serves_on(seen: Counter[str]) -> None:
    """Wait until more calls were answered."""
    goal = seen["200"] + 20
    until(lambda: seen["200"] >= goal, 40)


def restart_workers(platform: Platform) -> None:
    """SIGTERM each replica's worker in turn; the supervisor starts it again."""
    for one in [replica["id"] for replica in platform.endpoint("one")["replica_list"]]:
        before = platform.replica_pids(one)["worker"]
        os.kill(before, signal.SIGTERM)
        until(lambda one=one, before=before: platform.replica_pids(one).get("worker", before) != before, 30)  # type: ignore[misc]


def roll_replicas(platform: Platform, endpoints: str) -> None:
    """An edit that makes new replicas."""
    before = {replica["id"] for replica in platform.endpoint("one")["replica_list"]}
    platform.write(endpoints.replace("    access", "    env: {NEW: yes-please}\n    access"))
    platform.up()
    until(lambda: not before & {one["id"] for one in platform.endpoint("one")["replica_list"]}, 40)


def hand_gateway_over(platform: Platform) -> None:
    """A changed setting of the gateway: a new process takes the port over."""
    before = platform.service_pid("gateway")
    platform.env["MOORAGE_PUBLIC_URL"] = f"{platform.url}/"
    platform.up()
    until(lambda: platform.service_pid("gateway") != before, 30)
    until(lambda: not Path(f"/proc/{before}").exists(), 40)


def test_every_process_in_turn_is_restarted_without_an_error(start_platform: Starter, tmp_path: Path) -> None:
    """Workers, replicas, gateway, supervisor and the queue."""
    journal = tmp_path / "journal"
    endpoints = stub("one", journal, sleep=0.02, replicas="{min: 2, max: 2}")
    platform = start_platform(endpoints, env={"MOORAGE_APPENDFSYNC": "always"})
    until(lambda: platform.endpoint("one")["replicas"]["ready"] == 2)

    with load(platform, "one") as seen:
        serves_on(seen)
        restart_workers(platform)
        serves_on(seen)
        roll_replicas(platform, endpoints)
        serves_on(seen)
        hand_gateway_over(platform)
        serves_on(seen)
        os.kill(platform.service_pid("supervisor"), signal.SIGTERM)
        platform.up()
        serves_on(seen)
        os.kill(platform.service_pid("valkey"), signal.SIGTERM)
        serves_on(seen)

    assert set(seen) == {"200"}
    assert len(journal.read_text().splitlines()) == seen["200"]
