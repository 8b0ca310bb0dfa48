"""Bringing a request into the queue, and saying no to it: what sync and async have in common."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from starlette.types import Send

from runtime.gateway.bodies import Body, BodyReader
from runtime.gateway.errors import FullError, QueueAwayError
from runtime.gateway.incoming import Incoming
from runtime.gateway.metrics import count_replicas
from runtime.gateway.registry import Served
from runtime.objects import Objects
from runtime.queue.port import (
    Caller,
    EndpointView,
    NewRequest,
    Queue,
    QueueFullError,
    QueueUnavailableError,
    ReplicaState,
)
from runtime.wire import RequestHead

QUEUE_SECONDS = 5.0
"""Longest wait for one move of the queue."""
ESTIMATE_SECONDS = 1.0
"""How long an estimate for refusals is used again, so that a flood of them costs the queue nothing."""
QUEUE_RETRY_SECONDS = 2.0
"""Retry-After while the queue is away: a restart takes about that long."""
DEFAULT_RUN_SECONDS = 1.0
"""Assumed run of a request while none has been measured."""


@dataclass(slots=True)
class Call:
    """One request to an endpoint, admitted, its body not yet read."""

    id: str
    served: Served
    incoming: Incoming
    target: str
    body: BodyReader
    send: Send


def seconds_until_room(view: EndpointView, served: Served) -> float:
    """How long what waits now will take: the honest Retry-After of a full queue.

    Waiting requests x average run / replicas that can run them (`replicas.max` before any is ready), at
    least 1 s and at most `limits.queue_seconds`, for nothing waits longer.
    """
    run = DEFAULT_RUN_SECONDS if view.run_seconds is None else view.run_seconds
    serving = count_replicas(view, ReplicaState.READY, ReplicaState.BUSY) or max(1, served.record.scaling.max)
    return min(max(1.0, view.waiting * run / serving), float(served.record.limits.queue_seconds))


class Intake:
    """Reads bodies and enqueues requests, with the queue's refusals as answers for the client."""

    def __init__(self, queue: Queue, objects: Objects, clock: Callable[[], float]) -> None:
        self._queue = queue
        self._objects = objects
        self._clock = clock
        self._estimates: dict[str, tuple[float, float]] = {}

    async def read_body(self, call: Call) -> Body:
        """The call's body; a full queue refuses before a large one is read.

        Raises:
            GatewayError: the body or the queue does not allow it.
        """

        async def check_room() -> None:
            view = await self.look(call.served)
            if view.waiting >= call.served.bounds.waiting:
                raise self._full(call.served, view)

        declared = call.incoming.content_length
        return await call.body.read(call.id, declared, self._objects, check_room)

    async def enqueue(self, call: Call, body: Body, caller: Caller | None) -> None:
        """Journal the call; when this returns, the queue has it.

        Raises:
            FullError: there is no room; says when there may be.
            QueueAwayError: the queue is away.
        """
        served = call.served
        headers = call.incoming.headers_for_model(body.size, with_authorization=not served.is_private)
        request = NewRequest(
            id=call.id,
            head=RequestHead(call.incoming.method, call.target, headers),
            body=body.data,
            queue_seconds=served.record.limits.queue_seconds,
            body_ref=body.ref,
            body_bytes=body.size,
            caller=caller,
        )
        try:
            async with asyncio.timeout(QUEUE_SECONDS):
                await self._queue.enqueue(request, served.bounds)
        except QueueFullError as exc:
            raise await self._refusal(served) from exc
        except (QueueUnavailableError, TimeoutError) as exc:
            raise queue_away() from exc

    async def look(self, served: Served) -> EndpointView:
        """The endpoint now.

        Raises:
            QueueAwayError: the queue is away.
        """
        try:
            async with asyncio.timeout(QUEUE_SECONDS):
                return await self._queue.look(served.name)
        except (QueueUnavailableError, TimeoutError) as exc:
            raise queue_away() from exc

    async def forget_body(self, body: Body) -> None:
        """Remove a stored body that nobody will read."""
        if body.ref is not None:
            await self._objects.remove(body.ref)

    async def _refusal(self, served: Served) -> FullError:
        made_at, seconds = self._estimates.get(served.name, (0.0, 0.0))
        if self._clock() - made_at < ESTIMATE_SECONDS and seconds:
            return full(served, seconds)
        return self._full(served, await self.look(served))

    def _full(self, served: Served, view: EndpointView) -> FullError:
        seconds = seconds_until_room(view, served)
        self._estimates[served.name] = (self._clock(), seconds)
        return full(served, seconds)


def full(served: Served, seconds: float) -> FullError:
    """The refusal of a full queue."""
    return FullError(
        f"The queue of {served.name!r} is full ({served.bounds.waiting} requests may wait, limits.waiting). "
        "Try again later.",
        retry_after=seconds,
    )


def queue_away() -> QueueAwayError:
    """The refusal while the queue is away."""
    return QueueAwayError(
        "The queue cannot be reached, so nothing was accepted. Try again shortly.",
        retry_after=QUEUE_RETRY_SECONDS,
    )
