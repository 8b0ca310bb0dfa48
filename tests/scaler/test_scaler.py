"""A whole scaler against an API and a queue in memory: settings in, numbers out, a clean end."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import structlog
from aiohttp import ClientSession
from support.kube_api import KubeApi, serve_kube
from support.kube_objects import make_deployment
from support.polling import until
from support.ports import free_port
from support.records import make_record

from runtime.cluster.calls import ApiClient
from runtime.queue.memory import MemoryQueue
from runtime.queue.port import Bounds, NewRequest
from runtime.scaler.assembly import Scaler
from runtime.scaler.settings import Settings
from runtime.wire import EndpointRecord, RequestHead, new_request_id

RECORDS = "/api/v1/namespaces/moorage/configmaps"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/moorage/leases"
DEPLOYMENTS = "/apis/apps/v1/namespaces/moorage-baseline/deployments"
PODS = "/api/v1/namespaces/moorage-baseline/pods"


def make_settings(**changes: object) -> Settings:
    """Of one scaler on loopback ports."""
    settings = Settings(
        queue_url="valkey://127.0.0.1:1",
        namespace="moorage",
        endpoint_namespaces=("moorage-baseline",),
        identity="scaler-1",
        lease="scaler",
        is_keda=False,
        keda_port=free_port(),
        host="127.0.0.1",
        port=free_port(),
        worker_key="",
        keeps_users=True,
        context=None,
    )
    return replace(settings, **changes)  # type: ignore[arg-type] # by name


def make_kube(*records: EndpointRecord) -> KubeApi:
    """An API that holds records and their Deployments."""
    kube = KubeApi()
    for path in (RECORDS, LEASES, DEPLOYMENTS, PODS):
        kube.objects[path] = {}
    for record in records:
        data = {"record.json": record.model_dump_json()}
        labels = {"moorage.dev/record": "endpoint"}
        kube.put(RECORDS, {"metadata": {"name": f"endpoint-{record.name}", "labels": labels}, "data": data})
        kube.put(DEPLOYMENTS, make_deployment(record.name))
    return kube


@asynccontextmanager
async def scaling(client: ApiClient, queue: MemoryQueue, settings: Settings) -> AsyncIterator[Scaler]:
    """Run a scaler; it is stopped as by SIGTERM."""
    scaler, stop = Scaler(settings, client, queue, structlog.get_logger()), asyncio.Event()
    task = asyncio.create_task(scaler.run(stop))
    try:
        yield scaler
    finally:
        stop.set()
        async with asyncio.timeout(10):
            await task


async def request(queue: MemoryQueue, endpoint: str = "embed") -> None:
    """Let a request in."""
    new = NewRequest(new_request_id(endpoint), RequestHead("POST", "/", ()), b"", 600)
    await queue.enqueue(new, Bounds(100, 1 << 20))


async def get(settings: Settings, path: str) -> tuple[int, str]:
    """Ask the scaler's port."""
    async with ClientSession() as session, session.get(f"http://127.0.0.1:{settings.port}{path}") as answer:
        return answer.status, await answer.text()


async def test_request_at_zero_raises_the_number() -> None:
    """From records, Deployments and a push."""
    kube, queue, settings = make_kube(make_record()), MemoryQueue(time.time), make_settings()
    async with serve_kube(kube) as client, scaling(client, queue, settings) as scaler:
        await until(lambda: scaler.election.is_leading and scaler.roster.is_known)
        await request(queue)
        await until(lambda: kube.objects[DEPLOYMENTS]["embed"]["spec"]["replicas"] == 1)
        status, figures = await get(settings, "/metrics")

    assert status == 200
    assert "moorage_scaler_leader 1.0" in figures


async def test_end_releases_the_lease() -> None:
    """The next one leads at once."""
    kube, queue, settings = make_kube(), MemoryQueue(time.time), make_settings()
    async with serve_kube(kube) as client, scaling(client, queue, settings) as scaler:
        await until(lambda: scaler.election.is_leading)
        health = await get(settings, "/healthz")

    assert health == (200, "ok")
    assert kube.objects[LEASES]["scaler"]["spec"]["holderIdentity"] == ""


async def test_only_the_leader_writes() -> None:
    """The other one waits, and has read everything by then."""
    kube, queue = make_kube(make_record()), MemoryQueue(time.time)
    first, second = make_settings(), make_settings(identity="scaler-2")
    async with serve_kube(kube) as client, scaling(client, queue, first) as one:
        await until(lambda: one.election.is_leading)
        async with scaling(client, queue, second) as two:
            await until(lambda: two.cluster.is_known and two.roster.is_known)
            await request(queue)
            await until(lambda: kube.objects[DEPLOYMENTS]["embed"]["spec"]["replicas"] == 1)
            _, figures = await get(second, "/metrics")

    scales = [path for method, path, _ in kube.asked if method == "PATCH" and path.endswith("/scale")]
    assert len(scales) == 1
    assert "moorage_scaler_leader 0.0" in figures


async def test_keda_mode_tells_the_number_and_writes_none() -> None:
    """KEDA writes it."""
    kube, queue = make_kube(make_record()), MemoryQueue(time.time)
    settings = make_settings(is_keda=True)
    async with serve_kube(kube) as client, scaling(client, queue, settings) as scaler:
        await until(lambda: scaler.election.is_leading and scaler.roster.is_known)
        await request(queue)
        await until(lambda: queue._at("embed").desired == 1)

    assert kube.objects[DEPLOYMENTS]["embed"]["spec"]["replicas"] == 0


async def test_managed_queue_is_not_asked_for_users() -> None:
    """It refuses the commands by which users are kept."""
    kube, queue, seen = make_kube(make_record()), MemoryQueue(time.time), []

    async def see(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(writer.get_extra_info("peername"))
        writer.close()

    async with await asyncio.start_server(see, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        settings = make_settings(
            queue_url=f"valkey://127.0.0.1:{port}", worker_key="master", keeps_users=False
        )
        async with serve_kube(kube) as client, scaling(client, queue, settings):
            await request(queue)
            await until(lambda: kube.objects[DEPLOYMENTS]["embed"]["spec"]["replicas"] == 1)

    assert seen == []


async def test_endpoint_without_a_deployment_says_so() -> None:
    """Whoever waits reads it."""
    kube, queue = make_kube(make_record()), MemoryQueue(time.time)
    kube.objects[DEPLOYMENTS].clear()
    async with serve_kube(kube) as client, scaling(client, queue, make_settings()):
        await request(queue)
        await until(lambda: queue._at("embed").cause)

    assert queue._at("embed").cause == "cannot start: the endpoint is not deployed in the cluster"
