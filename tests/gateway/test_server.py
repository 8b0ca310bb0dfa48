"""Both ports in one loop, and their end."""

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest
import structlog
from support.gateway_stage import Stage, record, simple_gateway, until, write_records

from runtime.gateway.errors import StoppingError
from runtime.gateway.listening import listen
from runtime.gateway.record_files import FolderSource
from runtime.gateway.registry import Endpoints
from runtime.gateway.server import Port, serve
from runtime.queue.memory import MemoryQueue
from runtime.wire.places import Places


@dataclass
class Running:
    """A gateway as `serve` runs it."""

    stage: Stage
    stop: asyncio.Event
    ended: asyncio.Task[None]


@contextlib.asynccontextmanager
async def running(folder: Path, grace_seconds: float) -> AsyncIterator[Running]:
    """A gateway under its real servers."""
    places, queue, stop = Places(folder), MemoryQueue(), asyncio.Event()
    write_records(places, [record()])
    clients, inner = listen("127.0.0.1", 0), listen("127.0.0.1", 0)
    port, inner_port = clients.getsockname()[1], inner.getsockname()[1]
    every = listen("127.0.0.1", 0)
    every_port = every.getsockname()[1]
    gateway = simple_gateway(queue, places, inner_port)
    ports = [Port(gateway.public, clients), Port(gateway.clients, every)]
    async with (
        asyncio.TaskGroup() as group,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{every_port}", trust_env=False) as client,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{inner_port}", trust_env=False) as inner_client,
    ):
        ended = group.create_task(serve(gateway, ports, Port(gateway.inner, inner), stop, grace_seconds))
        source = FolderSource(places, places.tokens, structlog.get_logger())
        stage = Stage(gateway, queue, places, client, inner_client, every_port, inner_port, port, source)
        await until(lambda: gateway.room.is_serving)
        try:
            yield Running(stage, stop, ended)
        finally:
            stop.set()
            for connection in stage.connections:
                connection.drop()


async def test_what_waits_may_finish_after_the_signal(tmp_path: Path) -> None:
    """No new connection is taken, and the last answer still comes."""
    async with running(tmp_path, grace_seconds=5) as it:
        call = asyncio.create_task(it.stage.client.post("/e/embed/x"))
        taken = await it.stage.take()

        it.stop.set()
        await until(lambda: not _is_listening(it.stage.port))
        assert await it.stage.answer(taken, 200, (), b"last") == 204

        assert (await call).content == b"last"
        async with asyncio.timeout(5):
            await it.ended


async def test_what_outlives_the_grace_is_refused(tmp_path: Path) -> None:
    """With 503 and when to come again; and the queue forgets it."""
    async with running(tmp_path, grace_seconds=0) as it:
        call = asyncio.create_task(it.stage.client.post("/e/embed/x"))
        await until(lambda: bool(it.stage.gateway.waiters.queued()))

        it.stop.set()
        answer = await call

        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "stopping")
        assert answer.headers["retry-after"] == "1"
        assert (await it.stage.queue.look("embed")).waiting == 0
        async with asyncio.timeout(5):
            await it.ended


async def test_kept_connection_is_served_once_more_and_told_that_it_ends(tmp_path: Path) -> None:
    """A request that was on its way at the signal is no error."""
    async with running(tmp_path, grace_seconds=5) as it:
        kept = await it.stage.connect()
        kept.write(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
        assert b"connection: close" not in await kept.read_until(b'ok"}')

        it.stop.set()
        await until(lambda: not _is_listening(it.stage.port))
        kept.write(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
        last = await kept.read_rest()

        assert last.startswith(b"HTTP/1.1 200 ")
        assert b"connection: close" in last


async def test_answer_begun_after_the_signal_says_that_the_connection_ends(tmp_path: Path) -> None:
    """Its client sends the next request elsewhere."""
    async with running(tmp_path, grace_seconds=5) as it:
        call = asyncio.create_task(it.stage.client.post("/e/embed/x"))
        taken = await it.stage.take()

        it.stop.set()
        await until(lambda: not _is_listening(it.stage.port))
        await it.stage.answer(taken)

        assert (await call).headers["connection"] == "close"


async def test_upload_under_way_at_the_signal_is_served(tmp_path: Path) -> None:
    """It was let in, so it is answered."""
    async with running(tmp_path, grace_seconds=5) as it:
        upload = await it.stage.connect()
        upload.write(b"POST /e/embed/x HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\n\r\nha")
        await until(lambda: it.stage.gateway.room.clients == 1)

        it.stop.set()
        await until(lambda: not _is_listening(it.stage.port))
        upload.write(b"lf")
        taken = await it.stage.take()
        await it.stage.answer(taken, 200, (), b"whole")
        answer = await upload.read_rest()

        assert taken.body == b"half"
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert b"whole" in answer


async def test_closed_gateway_refuses_what_still_comes(tmp_path: Path) -> None:
    """503 that says so, on a connection that it then closes."""
    async with running(tmp_path, grace_seconds=5) as it:
        it.stage.gateway.close(StoppingError("The gateway is stopping.", retry_after=1.0))

        answers = [
            await it.stage.client.post("/e/embed/x", headers=headers)
            for headers in ({}, {"x-octoai-async": "1"})
        ]

        assert [answer.status_code for answer in answers] == [503, 503]
        assert {answer.json()["error"]["code"] for answer in answers} == {"stopping"}
        assert {answer.headers["retry-after"] for answer in answers} == {"1"}


async def test_inner_port_tells_whether_this_process_takes_clients(tmp_path: Path) -> None:
    """On a shared port the public health path may be answered by another one."""
    async with running(tmp_path, grace_seconds=5) as it:
        await until(lambda: it.stage.gateway.room.is_serving)
        before = await it.stage.inner.get("/healthz")
        call = asyncio.create_task(it.stage.client.post("/e/embed/x"))
        taken = await it.stage.take()

        it.stop.set()
        await until(lambda: not _is_listening(it.stage.port))
        after = await it.stage.inner.get("/healthz")
        await it.stage.answer(taken)

        assert (before.status_code, after.status_code) == (200, 503)
        assert (await call).status_code == 200


async def test_every_clients_port_is_drained(tmp_path: Path) -> None:
    """Both close at the signal; who waits at either has the answer."""
    async with running(tmp_path, grace_seconds=5) as it:
        public = f"http://127.0.0.1:{it.stage.public_port}"
        calls = [asyncio.create_task(it.stage.client.post(f"{base}/e/embed/x")) for base in ("", public)]
        await it.stage.until_waiting(2)

        it.stop.set()
        for port in (it.stage.port, it.stage.public_port):
            await until(functools.partial(_is_closed, port))
        for _ in calls:
            await it.stage.serve_one(body=b"last")

        assert [(await call).content for call in calls] == [b"last", b"last"]
        async with asyncio.timeout(5):
            await it.ended


async def test_clients_ports_open_when_the_records_were_read(tmp_path: Path) -> None:
    """Until then the inner port says so, and a signal ends the process at once."""
    clients, inner = listen("127.0.0.1", 0), listen("127.0.0.1", 0)
    inner_port, stop = inner.getsockname()[1], asyncio.Event()
    gateway = simple_gateway(MemoryQueue(), Places(tmp_path), inner_port)
    unread = replace(gateway, endpoints=Endpoints(NeverRead()))

    ended = asyncio.create_task(
        serve(unread, [Port(gateway.clients, clients)], Port(gateway.inner, inner), stop, 5)
    )
    async with httpx.AsyncClient(trust_env=False, transport=httpx.AsyncHTTPTransport(retries=5)) as client:
        health = await client.get(f"http://127.0.0.1:{inner_port}/healthz")
        with pytest.raises(httpx.ConnectError):
            await client.get(f"http://127.0.0.1:{clients.getsockname()[1]}/healthz")

    assert health.status_code == 503
    stop.set()
    async with asyncio.timeout(5):
        await ended
    clients.close()


class NeverRead:
    """A source that is away."""

    async def follow(self, _endpoints: Endpoints) -> None:
        """See `Source.follow`."""
        await asyncio.Event().wait()


async def test_changed_record_loses_nobody_who_waits(tmp_path: Path) -> None:
    """Limits, access and replicas hold for who comes next."""
    async with running(tmp_path, grace_seconds=0) as it:
        waiting = asyncio.create_task(it.stage.client.post("/e/embed/x"))
        await it.stage.until_waiting(1)

        changed = record(access="private", limits={"waiting": 1, "queue_seconds": 5}, scaling={"max": 7})
        write_records(it.stage.places, [changed])
        await until(lambda: it.stage.gateway.endpoints.records.endpoints["embed"].is_private)
        refused = await it.stage.client.post("/e/embed/x")
        await it.stage.serve_one(body=b"kept")

        assert refused.status_code == 401
        assert (await waiting).content == b"kept"


async def test_changed_record_is_seen_by_a_running_gateway(tmp_path: Path) -> None:
    """Within a second or two, without a restart."""
    async with running(tmp_path, grace_seconds=0) as it:
        write_records(it.stage.places, [record("chat")])

        await until(lambda: "chat" in it.stage.gateway.endpoints.records.endpoints)


def _is_closed(port: int) -> bool:
    """Whether the port is bound no longer."""
    return not _is_listening(port)


def _is_listening(port: int) -> bool:
    """Whether the port is still bound."""
    try:
        listen("127.0.0.1", port).close()
    except OSError:
        return True
    return False
