"""KEDA's external-push contract: the leader's number for those who must scale by KEDA.

Every scaler answers, the leader or not, from what the leader wrote into the queue. While the queue is away the
answer is UNAVAILABLE: without a `fallback` KEDA then leaves the replicas as they are, and no number is made up.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
from structlog.typing import FilteringBoundLogger

from runtime.queue.port import Queue, QueueError
from runtime.scaler.keda_messages import SERVICE, make_messages
from runtime.scaler.roster import Charge, Roster
from runtime.scaler.signals import RETRY_SECONDS, Signals

METRIC = "desired"
RESEND_SECONDS = 5.0
"""How often an open stream says again that an endpoint is active: KEDA drops what comes before it is ready."""
GRACE_SECONDS = 2.0
"""How long open calls may go on when the server stops."""
MOST_STREAMS = 5000
"""Most calls at one time; further ones are refused with RESOURCE_EXHAUSTED, and KEDA asks again."""


class KedaScaler:
    """The five calls of the contract; the optional StreamMetricSpec answers UNIMPLEMENTED."""

    def __init__(self, queue: Queue, roster: Roster, signals: Signals) -> None:
        self._queue = queue
        self._roster = roster
        self._signals = signals
        self._messages = make_messages()

    async def is_active(self, scaled: Any, context: Any) -> Any:
        """Whether an endpoint needs a replica."""
        charge = await self._charge(scaled, context)
        return self._messages.is_active(result=await self._told(self._is_active(charge), context))

    async def stream_is_active(self, scaled: Any, context: Any) -> AsyncIterator[Any]:
        """The same at once, at each pushed demand and change, and every few seconds; it outlives the queue."""
        charge = await self._charge(scaled, context)
        last: bool | None = None
        async with self._signals.listening(charge.name) as signal:
            while True:
                signal.clear()
                active = await self._active_or_none(charge)
                if active is not None and (active or active != last):
                    last = active
                    yield self._messages.is_active(result=active)
                await _first(signal, RETRY_SECONDS if active is None else RESEND_SECONDS)

    async def metric_spec(self, scaled: Any, context: Any) -> Any:
        """One metric, which is the number itself."""
        await self._charge(scaled, context)
        spec = self._messages.metric_spec(metricName=METRIC, targetSize=1, targetSizeFloat=1.0)
        return self._messages.metric_specs(metricSpecs=[spec])

    async def metrics(self, request: Any, context: Any) -> Any:
        """The number that the leader last decided."""
        charge = await self._charge(request.scaledObjectRef, context)
        view = await self._told(self._queue.look(charge.name), context)
        value = self._messages.metric(
            metricName=METRIC, metricValue=view.desired, metricValueFloat=float(view.desired)
        )
        return self._messages.metrics(metricValues=[value])

    def handlers(self) -> Any:
        """What a gRPC server is given."""
        messages = self._messages

        def unary(call: Callable[..., Any], request: Any) -> Any:
            return grpc.unary_unary_rpc_method_handler(
                call, request_deserializer=request.FromString, response_serializer=_serialized
            )

        return grpc.method_handlers_generic_handler(
            SERVICE,
            {
                "IsActive": unary(self.is_active, messages.scaled_object),
                "StreamIsActive": grpc.unary_stream_rpc_method_handler(
                    self.stream_is_active,
                    request_deserializer=messages.scaled_object.FromString,
                    response_serializer=_serialized,
                ),
                "GetMetricSpec": unary(self.metric_spec, messages.scaled_object),
                "GetMetrics": unary(self.metrics, messages.metrics_request),
            },
        )

    async def _is_active(self, charge: Charge) -> bool:
        view = await self._queue.look(charge.name)
        return view.desired > 0 or (view.demand > 0 and charge.scaling.max > 0)

    async def _active_or_none(self, charge: Charge) -> bool | None:
        try:
            return await self._is_active(charge)
        except QueueError:
            return None

    async def _charge(self, scaled: Any, context: Any) -> Charge:
        name = scaled.scalerMetadata.get("endpoint", "")
        charge = self._roster.find(name)
        if charge is None and not self._roster.is_known:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "the records have not been read yet")
        if charge is None:
            await context.abort(
                grpc.StatusCode.NOT_FOUND, f"no endpoint {name!r}; see scalerMetadata.endpoint"
            )
            raise RuntimeError("abort raises")
        return charge

    async def _told(self, question: Any, context: Any) -> Any:
        try:
            return await question
        except QueueError:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "the queue is away")


@asynccontextmanager
async def serve_keda(
    scaler: KedaScaler, host: str, port: int, log: FilteringBoundLogger
) -> AsyncIterator[int]:
    """Answer KEDA on a port while the block runs; the port comes back.

    Raises:
        OSError: the port cannot be listened on.
    """
    server = grpc.aio.server(maximum_concurrent_rpcs=MOST_STREAMS)
    server.add_generic_rpc_handlers((scaler.handlers(),))
    try:
        bound = server.add_insecure_port(f"{host}:{port}")
    except RuntimeError as exc:
        raise OSError(f"KEDA's port {port} cannot be listened on") from exc
    await server.start()
    log.info("answering KEDA", port=bound)
    try:
        yield bound
    finally:
        await server.stop(GRACE_SECONDS)


async def _first(signal: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await signal.wait()
    except TimeoutError:
        return


def _serialized(message: Any) -> bytes:
    raw: bytes = message.SerializeToString()
    return raw
