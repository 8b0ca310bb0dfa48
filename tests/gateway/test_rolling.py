"""One gateway after another on the same port, under load: nobody sees an error."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest
import structlog
from support.gateway_stage import record, simple_gateway, until, worker_headers, write_records

from runtime.gateway.assembly import Gateway
from runtime.gateway.listening import listen
from runtime.gateway.server import Port, serve
from runtime.queue.memory import MemoryQueue
from runtime.queue.port import ReplicaState
from runtime.wire import AnswerHead
from runtime.wire.answers import frame_head
from runtime.wire.places import Places

RUN_SECONDS = 0.003
REPLICAS = 4


@dataclass
class Generation:
    """One gateway of several."""

    gateway: Gateway
    stop: asyncio.Event
    ended: asyncio.Task[None]


@dataclass
class House:
    """A port, a queue with its workers, and the gateways that come and go."""

    places: Places
    group: asyncio.TaskGroup
    queue: MemoryQueue = field(default_factory=MemoryQueue)
    port: int = 0
    grace_seconds: float = 10.0
    seen: Counter[str] = field(default_factory=Counter)
    latest: Generation | None = None

    async def replace(self) -> None:
        """Start a gateway, and when it serves, have its predecessor leave."""
        old, self.latest = self.latest, await self._start()
        if old is not None:
            old.stop.set()
            await old.ended

    async def close(self) -> None:
        """Have the last one leave."""
        if self.latest is not None:
            self.latest.stop.set()
            await self.latest.ended

    async def _start(self) -> Generation:
        clients, inner = listen("127.0.0.1", self.port, is_shared=True), listen("127.0.0.1", 0)
        self.port, stop = clients.getsockname()[1], asyncio.Event()
        gateway = simple_gateway(self.queue, self.places, inner.getsockname()[1])
        ports, inner_port = [Port(gateway.clients, clients)], Port(gateway.inner, inner)
        ended = self.group.create_task(serve(gateway, ports, inner_port, stop, self.grace_seconds))
        await until(lambda: gateway.room.is_serving)
        return Generation(gateway, stop, ended)

    async def work(self, replica: str) -> None:
        """A replica's worker, for ever."""
        await self.queue.join("embed", replica, "1")
        await self.queue.beat("embed", replica, ReplicaState.READY)
        async with aiohttp.ClientSession() as session:
            while True:
                taken = await self.queue.take("embed", replica, 10)
                if taken is None:
                    await self.queue.wait_for_work("embed", 0.05)
                    continue
                await asyncio.sleep(RUN_SECONDS)
                assert taken.caller is not None
                url = f"{taken.caller.url}/answers/{taken.id}"
                data = frame_head(AnswerHead(200, ())) + taken.body
                async with session.post(url, data=data, headers=worker_headers(taken)) as reply:
                    self.seen[f"worker {reply.status}"] += 1
                self.seen[f"attempt {taken.attempt}"] += 1
                await self.queue.finish("embed", taken.id, taken.attempt, None)

    async def call(self, *, is_new: bool) -> None:
        """A client, for ever; with `is_new` each of its requests comes on a connection of its own."""
        async with aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(force_close=is_new, limit=1)
        ) as session:
            number = 0
            while True:
                number += 1
                body = f"{number}".encode()
                try:
                    async with session.post(f"http://127.0.0.1:{self.port}/e/embed/x", data=body) as answer:
                        right = await answer.read() == body
                        self.seen[f"client {answer.status} {right}"] += 1
                except (aiohttp.ClientError, OSError) as fault:
                    self.seen[f"client {type(fault).__name__}"] += 1


def drop(*_event: object) -> str:
    """No log."""
    raise structlog.DropEvent


@contextlib.asynccontextmanager
async def house_under_load(folder: Path, clients: int) -> AsyncIterator[House]:
    """Workers and clients at work; half of the clients keep their connections."""
    places = Places(folder)
    write_records(places, [record(limits={"waiting": 1000})])
    async with asyncio.TaskGroup() as group:
        house = House(places, group)
        await house.replace()
        tasks = [group.create_task(house.work(f"r{number}")) for number in range(REPLICAS)]
        tasks += [group.create_task(house.call(is_new=bool(number % 2))) for number in range(clients)]
        await until(lambda: house.seen["client 200 True"] > clients)
        try:
            yield house
        finally:
            for task in tasks[REPLICAS:]:
                task.cancel()
            await house.close()
            for task in tasks:
                task.cancel()


@pytest.mark.parametrize(
    "restarts", [3, pytest.param(20, marks=[pytest.mark.slow, pytest.mark.timeout(120)])]
)
async def test_successor_takes_over_without_an_error(tmp_path: Path, restarts: int) -> None:
    """New connections and kept ones; every request is answered once, by its first attempt."""
    async with house_under_load(tmp_path, clients=16) as house:
        for _ in range(restarts):
            before = house.seen["client 200 True"]
            await house.replace()
            assert house.seen["client 200 True"] > before

        seen = dict(house.seen)

    print(seen)  # noqa: T201 - how many requests that was
    assert {what for what in seen if what.startswith("client")} == {"client 200 True"}
    assert {what for what in seen if what.startswith(("worker", "attempt"))} == {"worker 204", "attempt 1"}
