"""The gateway as a process: its environment, its log, its end."""

import asyncio
import contextlib
import io
import json
import os
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import structlog
from support.gateway_stage import OWNER, record, worker_headers, write_records
from support.ports import free_port
from support.valkey_server import ValkeyServer

from runtime.log import PROCESSORS
from runtime.queue.port import ReplicaState
from runtime.queue.valkey import ValkeyQueue
from runtime.wire import AnswerHead
from runtime.wire.answers import frame_head
from runtime.wire.places import Places

COMMAND = (sys.executable, "-m", "runtime.gateway")


async def start(**settings: str) -> asyncio.subprocess.Process:
    """A gateway process that logs to a pipe."""
    environment = {**os.environ, "MOORAGE_QUEUE_URL": "", **settings}
    return await asyncio.create_subprocess_exec(*COMMAND, env=environment, stderr=asyncio.subprocess.PIPE)


async def read_event(process: asyncio.subprocess.Process, event: str) -> dict[str, object]:
    """The next log line of that event."""
    assert process.stderr is not None
    async with asyncio.timeout(10):
        while line := await process.stderr.readline():
            entry: dict[str, object] = json.loads(line)
            if entry["event"] == event:
                return entry
    raise AssertionError(f"the process ended without {event!r}")


async def test_process_serves_until_sigterm_and_logs_no_secret(tmp_path: Path) -> None:
    """Every log line is JSON, with request ids and without tokens, queries or bodies."""
    write_records(Places(tmp_path), [record(access="private")])
    with ValkeyServer(tmp_path) as valkey:
        settings = {"MOORAGE_QUEUE_URL": valkey.url, "MOORAGE_STATE": str(tmp_path)}
        process = await start(MOORAGE_PORT=str(free_port()), MOORAGE_GRACE_SECONDS="1", **settings)
        try:
            port = (await read_event(process, "listening"))["port"]
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
                transport = httpx.AsyncHTTPTransport(retries=5)
                async with httpx.AsyncClient(transport=transport) as patient:
                    health = await patient.get(f"http://127.0.0.1:{port}/healthz")
                headers = {"authorization": f"Bearer {OWNER}", "x-octoai-async": "1"}
                accepted = await client.post("/e/embed/x", headers=headers, content=b"body-secret")
                refused = await client.post(
                    "/e/embed/x?key=query-secret", headers={"authorization": "Bearer s3"}
                )
        finally:
            process.send_signal(signal.SIGTERM)
            _, log = await process.communicate()

    assert (health.status_code, accepted.status_code, refused.status_code) == (200, 201, 401)
    assert process.returncode == 0
    entries = [json.loads(line) for line in log.splitlines()]
    assert refused.headers["x-user-request-id"] in {entry.get("request_id") for entry in entries}
    begun = [entry["request_id"] for entry in entries if entry["event"] == "request accepted"]
    assert begun == [accepted.json()["response_id"]]
    for secret in (OWNER, "body-secret", "query-secret", "s3"):
        assert secret.encode() not in log


def test_traceback_in_the_log_shows_no_local_variable() -> None:
    """They hold bodies, tokens and secrets."""
    lines = io.StringIO()
    log = structlog.wrap_logger(structlog.WriteLogger(lines), processors=PROCESSORS)

    def fail(body: bytes) -> None:
        raise ValueError(len(body))

    try:
        fail(b"body-secret")
    except ValueError:
        log.exception("internal error")

    assert json.loads(lines.getvalue())["exception"][0]["exc_type"] == "ValueError"
    assert "body-secret" not in lines.getvalue()


async def test_wrong_setting_ends_the_process_with_its_name() -> None:
    """In one line, without a traceback."""
    process = await start()

    _, log = await process.communicate()

    assert process.returncode == 2
    assert json.loads(log)["fault"].startswith("MOORAGE_QUEUE_URL is not set")


@contextlib.asynccontextmanager
async def worker(queue: ValkeyQueue, replica: str, seconds: float) -> AsyncIterator[None]:
    """A replica's worker that echoes, beside what goes on."""

    async def work() -> None:
        await queue.join("embed", replica, "1")
        await queue.beat("embed", replica, ReplicaState.READY)
        async with httpx.AsyncClient(trust_env=False) as session:
            while True:
                taken = await queue.take("embed", replica, 10)
                if taken is None:
                    await queue.wait_for_work("embed", 0.2)
                    continue
                await asyncio.sleep(seconds)
                assert taken.caller is not None
                framed = frame_head(AnswerHead(200, ())) + taken.body
                url = f"{taken.caller.url}/answers/{taken.id}"
                await session.post(url, content=framed, headers=worker_headers(taken))
                await queue.finish("embed", taken.id, taken.attempt, None)

    async with asyncio.TaskGroup() as group:
        task = group.create_task(work())
        yield
        while not task.done():
            # A cancellation that comes with the answer it waits for may be lost on the way up.
            task.cancel()
            await asyncio.sleep(0.05)


async def load(port: int, seen: Counter[str], stop: asyncio.Event, *, is_kept: bool) -> None:
    """A client that asks until told to stop, on one connection or on a new one each time."""
    limits = httpx.Limits(max_keepalive_connections=1 if is_kept else 0)
    async with httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{port}", trust_env=False, limits=limits
    ) as client:
        while not stop.is_set():
            try:
                seen[str((await client.post("/e/embed/x", content=b"hello")).status_code)] += 1
            except httpx.HTTPError as fault:
                seen[type(fault).__name__] += 1


async def until_serving(inner_port: int) -> None:
    """Wait until the process takes clients, as its own inner port says."""
    async with asyncio.timeout(15), httpx.AsyncClient(trust_env=False) as client:
        while True:
            with contextlib.suppress(httpx.ConnectError):
                if (await client.get(f"http://127.0.0.1:{inner_port}/healthz")).status_code == 200:
                    return
            await asyncio.sleep(0.02)


def end(process: asyncio.subprocess.Process) -> None:
    """Leave nothing behind, however the test ends."""
    if process.returncode is None:
        process.kill()


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_processes_take_over_from_one_another_under_load(tmp_path: Path) -> None:
    """Twenty times, each started before its predecessor is told to stop: every request is answered."""
    write_records(Places(tmp_path), [record(limits={"waiting": 1000})])
    port, seen, stop = free_port(), Counter[str](), asyncio.Event()

    async def begin(valkey: ValkeyServer, ends: contextlib.ExitStack) -> asyncio.subprocess.Process:
        inner_port = free_port()
        process = await asyncio.create_subprocess_exec(
            *COMMAND,
            env={
                **os.environ,
                "MOORAGE_QUEUE_URL": valkey.url,
                "MOORAGE_STATE": str(tmp_path),
                "MOORAGE_PORT": str(port),
                "MOORAGE_INNER_PORT": str(inner_port),
                "MOORAGE_REUSE_PORT": "1",
            },
            stderr=asyncio.subprocess.DEVNULL,
        )
        ends.callback(end, process)
        await until_serving(inner_port)
        return process

    with ValkeyServer(tmp_path) as valkey, contextlib.ExitStack() as ends:
        queue = ValkeyQueue.connect(valkey.url)
        async with worker(queue, "r1", 0.002), worker(queue, "r2", 0.002):
            process = await begin(valkey, ends)
            clients = [asyncio.create_task(load(port, seen, stop, is_kept=bool(n % 2))) for n in range(8)]
            for _ in range(20):
                successor = await begin(valkey, ends)
                process.send_signal(signal.SIGTERM)
                assert await process.wait() == 0
                process = successor
            stop.set()
            await asyncio.gather(*clients)
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0
        await queue.close()

    print(dict(seen))  # noqa: T201 - how many requests that was
    assert set(seen) == {"200"}
