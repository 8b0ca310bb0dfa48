"""The platform API as a program of its own, behind gateways that pass `/v1` on to it."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import structlog
from support.gateway_stage import OWNER, Stage, gateway_stage, record, served, until, write_records
from support.ports import free_port
from support.valkey_server import ValkeyServer

from runtime.api.assembly import Api, assemble
from runtime.gateway.addresses import make_addresses
from runtime.gateway.forwarding import open_forwarding
from runtime.gateway.record_files import FolderSource
from runtime.gateway.registry import Endpoints
from runtime.objects import FolderObjects
from runtime.queue.memory import MemoryQueue
from runtime.wire.places import Places

OWN = {"authorization": f"Bearer {OWNER}"}
HIDDEN = "hidden-one"


@dataclass
class Scene:
    """A gateway, and the API behind it, with one queue."""

    stage: Stage
    api: Api
    api_url: str


@contextlib.asynccontextmanager
async def scene_in(folder: Path) -> AsyncIterator[Scene]:
    """Both run; the API is asked straight where a test does not go by the gateway."""
    places, queue, log = Places(folder), MemoryQueue(), structlog.get_logger()
    records = [record("embed"), record(HIDDEN, ingress="private")]
    write_records(places, records)
    source = FolderSource(places, places.tokens, log)
    endpoints = Endpoints(source)
    await source.refresh(endpoints)
    api = assemble(
        queue,
        FolderObjects(places.objects),
        endpoints,
        addresses=make_addresses(None, "http://moorage.example", endpoints),
        log=log,
        clock=asyncio.get_running_loop().time,
    )
    async with served(api.app) as port:
        url = f"http://127.0.0.1:{port}"
        async with (
            open_forwarding(url, log) as forwarding,
            gateway_stage(folder, *records, queue=queue, forwarding=forwarding) as stage,
        ):
            yield Scene(stage, api, url)


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    """A gateway and the API."""
    async with scene_in(tmp_path) as scene:
        yield scene


async def test_api_answers_through_the_gateway(scene: Scene) -> None:
    """As it does in process."""
    accepted = await scene.stage.client.post("/e/embed/x", headers={"x-octoai-async": "1"})
    request_id = accepted.json()["response_id"]
    pending = await scene.stage.client.get(f"/v1/requests/{request_id}")
    taken = await scene.stage.take()
    await scene.stage.queue.fail("embed", taken.id, taken.attempt, "it broke")
    failed = await scene.stage.client.get(f"/v1/responses/{request_id}")

    assert (pending.status_code, pending.json()["status"]) == (202, "pending")
    assert (failed.status_code, failed.json()["error"]["code"]) == (502, "failed")
    assert failed.headers["x-user-request-id"] == request_id


async def test_hidden_endpoint_is_unknown_by_the_public_port(scene: Scene) -> None:
    """And known by the other."""
    public = f"http://127.0.0.1:{scene.stage.public_port}"
    forged = OWN | {"moorage-ingress": "all"}

    seen = await scene.stage.client.get("/v1/endpoints", headers=OWN)
    listed = await scene.stage.client.get(f"{public}/v1/endpoints", headers=forged)
    shown = await scene.stage.client.get(f"{public}/v1/endpoints/{HIDDEN}", headers=forged)

    assert [each["name"] for each in seen.json()["endpoints"]] == ["embed", HIDDEN]
    assert [each["name"] for each in listed.json()["endpoints"]] == ["embed"]
    assert shown.status_code == 404


@pytest.mark.parametrize(
    "said",
    [
        [],
        [("moorage-ingress", "public")],
        [("moorage-ingress", "ALL")],
        [("moorage-ingress", "all, public")],
        [("moorage-ingress", "all"), ("moorage-ingress", "public")],
        [("moorage-ingress", "all")] * 2,
    ],
)
async def test_without_a_clear_word_the_api_shows_the_least(
    scene: Scene, said: list[tuple[str, str]]
) -> None:
    """Whoever asks it straight sees what the internet may see."""
    async with httpx.AsyncClient(trust_env=False) as client:
        listed = await client.get(f"{scene.api_url}/v1/endpoints", headers=[*OWN.items(), *said])

    assert [each["name"] for each in listed.json()["endpoints"]] == ["embed"]


async def test_cancel_reaches_a_client_that_waits_at_another_gateway(scene: Scene) -> None:
    """The API has no clients that wait; their gateway hears of it when it renews its holds."""
    call = asyncio.create_task(scene.stage.client.post("/e/embed/x"))
    await scene.stage.until_waiting(1)
    request_id = next(iter(scene.stage.gateway.waiters)).id

    cancelled = await scene.stage.client.delete(f"/v1/requests/{request_id}")
    await scene.stage.gateway.holding.renew()
    answer = await call

    assert (cancelled.status_code, cancelled.json()["state"]) == (200, "cancelled")
    assert (answer.status_code, answer.json()["error"]["code"]) == (410, "cancelled")


async def test_cancel_of_a_running_request_reaches_its_client(scene: Scene) -> None:
    """It finishes on its replica and is not answered."""
    call = asyncio.create_task(scene.stage.client.post("/e/embed/x"))
    taken = await scene.stage.take()

    await scene.stage.client.delete(f"/v1/requests/{taken.id}")
    await scene.stage.gateway.holding.renew()

    answer = await call
    assert (answer.status_code, answer.json()["error"]["code"]) == (410, "cancelled")


async def test_health_is_whether_it_serves(scene: Scene) -> None:
    """Not whether the queue does: a probe that failed for that would end every API at once."""
    async with httpx.AsyncClient(trust_env=False) as client:
        before = await client.get(f"{scene.api_url}/healthz")
        scene.api.open()
        after = await client.get(f"{scene.api_url}/healthz")
        scene.api.begin_leaving()
        leaving = await client.get(f"{scene.api_url}/healthz")

    assert [each.status_code for each in (before, after, leaving)] == [503, 200, 503]


async def start(module: str, **settings: str) -> tuple[asyncio.subprocess.Process, int]:
    """A program, and the port at which it listens."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, env={**os.environ, **settings}, stderr=asyncio.subprocess.PIPE
    )
    assert process.stderr is not None
    async with asyncio.timeout(40):
        while line := await process.stderr.readline():
            entry = json.loads(line)
            if entry["event"] == "listening":
                return process, entry["port"]
    raise AssertionError("it ended")


async def end(process: asyncio.subprocess.Process) -> int:
    """Stop a program; its status."""
    process.send_signal(signal.SIGTERM)
    await process.communicate()
    assert process.returncode is not None
    return process.returncode


async def answers(ask: Callable[[], "asyncio.Future[httpx.Response]"], status: int) -> None:
    """Wait for an answer of that status."""
    async with asyncio.timeout(40):
        while True:
            with contextlib.suppress(httpx.TransportError):
                if (await ask()).status_code == status:
                    return
            await asyncio.sleep(0.05)


@pytest.mark.timeout(120)
async def test_programs_work_together(tmp_path: Path) -> None:
    """API and gateway as processes with large bodies in Valkey: accepted, polled; the API comes and goes."""
    write_records(Places(tmp_path), [record()])
    with ValkeyServer(tmp_path) as valkey:
        shared = {
            "MOORAGE_QUEUE_URL": valkey.url,
            "MOORAGE_STATE": str(tmp_path),
            "MOORAGE_OBJECTS": "valkey",
        }
        api_port = str(free_port())
        api, _ = await start("runtime.api", MOORAGE_PORT=api_port, **shared)
        gateway, port = await start(
            "runtime.gateway",
            MOORAGE_PORT="0",
            MOORAGE_GRACE_SECONDS="1",
            MOORAGE_API_URL=f"http://127.0.0.1:{api_port}",
            **shared,
        )
        async with httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}", trust_env=False, headers=OWN
        ) as client:
            await answers(lambda: asyncio.ensure_future(client.get("/v1/endpoints")), 200)
            accepted = await client.post(
                "/e/embed/x", headers={"x-octoai-async": "1"}, content=bytes(700_000)
            )
            polled = await client.get(f"/v1/requests/{accepted.json()['response_id']}")
            api_status = await end(api)
            away = await client.get("/v1/endpoints")
            api, _ = await start("runtime.api", MOORAGE_PORT=api_port, **shared)
            await answers(lambda: asyncio.ensure_future(client.get("/v1/endpoints")), 200)
        statuses = [api_status, await end(gateway), await end(api)]

    assert (accepted.status_code, polled.status_code) == (201, 202)
    assert (away.status_code, away.json()["error"]["code"]) == (503, "api-unavailable")
    assert statuses == [0, 0, 0]


async def test_events_end_when_their_request_does(scene: Scene) -> None:
    """Through the gateway, as they happen."""
    accepted = await scene.stage.client.post("/e/embed/x", headers={"x-octoai-async": "1"})
    request_id = accepted.json()["response_id"]
    seen: list[str] = []

    async def follow() -> None:
        url = f"/v1/endpoints/embed/events?request={request_id}"
        async with scene.stage.client.stream("GET", url, headers=OWN) as answer:
            async for line in answer.aiter_lines():
                _, is_data, event = line.partition("data: ")
                if is_data:
                    seen.append(json.loads(event)["status"])

    following = asyncio.create_task(follow())
    await until(lambda: seen == ["pending"])
    await scene.stage.client.delete(f"/v1/requests/{request_id}")
    async with asyncio.timeout(10):
        await following

    assert seen == ["pending", "completed"]
