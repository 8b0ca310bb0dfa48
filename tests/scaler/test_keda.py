"""KEDA's contract over a real socket."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
import structlog
from support.kube_scene import Scene
from support.polling import until

from runtime.queue.port import EndpointView, QueueUnavailableError
from runtime.scaler.keda import KedaScaler, serve_keda
from runtime.scaler.keda_messages import SERVICE, make_messages
from runtime.scaler.signals import Signals

MESSAGES = make_messages()


class Keda:
    """A client of the contract, as KEDA's operator is one."""

    def __init__(self, channel: Any) -> None:
        self._channel = channel

    async def is_active(self, endpoint: str = "embed") -> bool:
        """IsActive."""
        told = await self._ask("IsActive", MESSAGES.is_active)(scaled(endpoint))
        return bool(told.result)

    async def metrics(self, endpoint: str = "embed") -> list[tuple[str, int, float]]:
        """GetMetrics."""
        request = MESSAGES.metrics_request(scaledObjectRef=scaled(endpoint), metricName="desired")
        told = await self._ask("GetMetrics", MESSAGES.metrics)(request)
        return [(each.metricName, each.metricValue, each.metricValueFloat) for each in told.metricValues]

    async def spec(self, endpoint: str = "embed") -> list[tuple[str, int, float]]:
        """GetMetricSpec."""
        told = await self._ask("GetMetricSpec", MESSAGES.metric_specs)(scaled(endpoint))
        return [(each.metricName, each.targetSize, each.targetSizeFloat) for each in told.metricSpecs]

    def stream(self, endpoint: str = "embed") -> Any:
        """StreamIsActive."""
        call = self._channel.unary_stream(
            f"/{SERVICE}/StreamIsActive",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=MESSAGES.is_active.FromString,
        )
        return call(scaled(endpoint))

    def _ask(self, name: str, answer: Any) -> Any:
        return self._channel.unary_unary(
            f"/{SERVICE}/{name}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=answer.FromString,
        )


def scaled(endpoint: str) -> Any:
    """What KEDA sends of a ScaledObject."""
    return MESSAGES.scaled_object(
        name=endpoint, namespace="moorage-baseline", scalerMetadata={"endpoint": endpoint}
    )


@asynccontextmanager
async def keda_of(scene: Scene) -> AsyncIterator[Keda]:
    """A client of a scaler, which is no leader."""
    signals = Signals(scene.queue)
    scaler = KedaScaler(scene.queue, scene.roster, signals)
    async with serve_keda(scaler, "127.0.0.1", 0, structlog.get_logger()) as port:
        following = asyncio.create_task(signals.run())
        try:
            async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
                yield Keda(channel)
        finally:
            following.cancel()
            await asyncio.wait({following})


async def next_of(stream: Any) -> bool:
    """The next message of a stream."""
    async with asyncio.timeout(3):
        return bool((await stream.read()).result)


async def test_spec_is_the_number_itself(scene: Scene) -> None:
    """Target 1: replicas equal the value."""
    scene.record()
    async with keda_of(scene) as keda:
        assert await keda.spec() == [("desired", 1, 1.0)]


async def test_metric_is_what_the_leader_decided(scene: Scene) -> None:
    """Read from the queue, so that whoever KEDA asks may answer."""
    scene.record()
    await scene.queue.set_desired("embed", 3, 4, "", 60)
    async with keda_of(scene) as keda:
        assert await keda.metrics() == [("desired", 3, 3.0)]


async def test_endpoint_is_active_by_number_or_demand(scene: Scene) -> None:
    """Demand alone too: the leader may not have looked yet."""
    scene.record()
    async with keda_of(scene) as keda:
        idle = await keda.is_active()
        await scene.request()
        woken = await keda.is_active()
        await scene.queue.set_desired("embed", 1, 4, "", 60)

        assert (idle, woken, await keda.is_active()) == (False, True, True)


async def test_stream_pushes_a_demand_at_once(scene: Scene) -> None:
    """0 to 1 does not wait for a poll."""
    scene.record()
    async with keda_of(scene) as keda:
        stream = keda.stream()
        first = await next_of(stream)
        begun = asyncio.get_running_loop().time()
        await scene.request()
        pushed = await next_of(stream)
        took = asyncio.get_running_loop().time() - begun
        stream.cancel()

    assert (first, pushed) == (False, True)
    assert took < 1.0


async def test_unknown_endpoint_is_not_found(scene: Scene) -> None:
    """Every call says so, the stream too."""
    scene.record()
    async with keda_of(scene) as keda:
        for ask in (keda.is_active, keda.metrics, keda.spec):
            with pytest.raises(grpc.aio.AioRpcError) as told:
                await ask("nobody")
            assert told.value.code() is grpc.StatusCode.NOT_FOUND
        with pytest.raises(grpc.aio.AioRpcError) as told:
            await next_of(keda.stream("nobody"))

    assert told.value.code() is grpc.StatusCode.NOT_FOUND


async def test_unread_records_are_unavailable(scene: Scene) -> None:
    """Not unknown: KEDA leaves the replicas as they are."""
    async with keda_of(scene) as keda:
        with pytest.raises(grpc.aio.AioRpcError) as told:
            await keda.metrics()

    assert told.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_queue_that_is_away_is_unavailable(scene: Scene) -> None:
    """No number is made up."""
    scene.record()
    away_from(scene)
    async with keda_of(scene) as keda:
        for ask in (keda.is_active, keda.metrics):
            with pytest.raises(grpc.aio.AioRpcError) as told:
                await ask()
            assert told.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_stream_outlives_a_queue_that_is_away(scene: Scene) -> None:
    """KEDA would open a broken one again only after its back-off, up to a minute."""
    scene.record()
    away = away_from(scene)
    async with keda_of(scene) as keda:
        stream = keda.stream()
        first = asyncio.create_task(next_of(stream))
        await until(lambda: away.asked)
        away.end()
        await scene.request()

        assert await first
        stream.cancel()


async def test_optional_call_is_unimplemented(scene: Scene) -> None:
    """KEDA falls back to GetMetricSpec in silence."""
    scene.record()
    async with keda_of(scene) as keda:
        with pytest.raises(grpc.aio.AioRpcError) as told:
            await keda._ask("StreamMetricSpec", MESSAGES.metric_specs)(scaled("embed"))

    assert told.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_taken_port_is_told(scene: Scene) -> None:
    """By name, at the start."""
    scaler = KedaScaler(scene.queue, scene.roster, Signals(scene.queue))
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(OSError, match=str(port)):
            async with serve_keda(scaler, "127.0.0.1", port, structlog.get_logger()):
                pass


@pytest.mark.parametrize(
    ("message", "raw"),
    [
        (scaled("e"), b"\n\x01e\x12\x10moorage-baseline\x1a\r\n\x08endpoint\x12\x01e"),
        (MESSAGES.is_active(result=True), b"\x08\x01"),
        (MESSAGES.metric(metricName="desired", metricValue=3), b"\n\x07desired\x10\x03"),
        (
            MESSAGES.metrics_request(scaledObjectRef=MESSAGES.scaled_object(name="a"), metricName="m"),
            b"\n\x03\n\x01a\x12\x01m",
        ),
    ],
)
def test_bytes_are_those_of_the_public_contract(message: Any, raw: bytes) -> None:
    """Field numbers and types, as bytes that were written out by hand."""
    assert message.SerializeToString() == raw


class Away:
    """A queue that is away until the end of it."""

    def __init__(self, scene: Scene) -> None:
        self.asked = 0
        self._scene = scene
        self._look = scene.queue.look

    async def look(self, _: str) -> EndpointView:
        """Not answered."""
        self.asked += 1
        raise QueueUnavailableError("away")

    def end(self) -> None:
        """It is back."""
        self._scene.queue.look = self._look  # type: ignore[method-assign] # as it was


def away_from(scene: Scene) -> Away:
    """Let the queue be away."""
    away = Away(scene)
    scene.queue.look = away.look  # type: ignore[method-assign, assignment] # a server that is away
    return away
