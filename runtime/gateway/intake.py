"""Bringing a request into the queue, and saying no to it: what sync and async have in common."""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from starlette.types import Send

from runtime.gateway.bodies import INLINE_BYTES, Body, BodyReader
from runtime.gateway.errors import FullError, KeyTakenError
from runtime.gateway.incoming import Incoming, RawHeaders
from runtime.gateway.keys import Fingerprint
from runtime.gateway.looks import Looks, queue_away
from runtime.gateway.registry import Served
from runtime.gateway.room import Room
from runtime.gateway.store_room import StoreRoom, told_as_refusals
from runtime.objects import Objects, ObjectsAwayError
from runtime.queue.port import (
    Bounds,
    Caller,
    EndpointView,
    Enqueued,
    IdempotencyKey,
    KeyConflictError,
    NewRequest,
    Queue,
    QueueFullError,
    QueueOutOfMemoryError,
    QueueUnavailableError,
)
from runtime.waiting import Waiting, explain, seconds_until_clear
from runtime.wire import RequestHead
from runtime.wire.headers import IDEMPOTENCY_REPLAYED, QUEUE_ESTIMATE, QUEUE_POSITION

OUTLAST_SECONDS = 3.0
"""How long a queue that is away is waited for: long enough for one that restarts."""
AGAIN_SECONDS = 0.1
"""Pause before a queue that is away is tried again."""
_REPLAYED = IDEMPOTENCY_REPLAYED.encode()
_POSITION, _ESTIMATE = QUEUE_POSITION.encode(), QUEUE_ESTIMATE.encode()


@dataclass(slots=True)
class Call:
    """One request to an endpoint, admitted, its body not yet read."""

    id: str
    served: Served
    incoming: Incoming
    target: str
    body: BodyReader
    send: Send
    ingress: str = "all"
    """Which port it came by."""
    priority: int = 1
    caller: str = ""
    """Who calls: a token's name or an address, told apart."""
    key: str | None = None
    """Its Idempotency-Key."""
    headers: RawHeaders = field(default_factory=list)
    """What every answer to it says, beside its own headers."""


class Intake:
    """Reads bodies and enqueues requests, with the queue's refusals as answers for the client."""

    def __init__(
        self, queue: Queue, objects: Objects, looks: Looks, room: Room, store_room: StoreRoom
    ) -> None:
        self._queue = queue
        self._objects = objects
        self._looks = looks
        self._room = room
        self._store_room = store_room

    async def enqueue(
        self, call: Call, begin_wait: Callable[[], Caller] | None = None
    ) -> tuple[Enqueued, str | None]:
        """Read the call's body and journal the call; when this returns, the queue has it.

        `begin_wait` is called in between: from then on a worker may come with the answer. Async without it.

        The body's name in the object store comes back too, None where it has none there. A repetition has
        the id of the first request from here on, and nothing of its own is kept.

        Raises:
            GatewayError: the body or the queue does not allow it.
        """
        fingerprint = Fingerprint(call.incoming.method, call.target) if call.key is not None else None
        if fingerprint is not None:
            call.body.listeners.append(fingerprint.add)
        body = await self._read_body(call)
        key = None
        if fingerprint is not None and call.key is not None:
            key = fingerprint.key(call.caller, call.served.name, call.key)
        caller = begin_wait() if begin_wait is not None else None
        try:
            enqueued = await self._store(call, body, caller, key)
        except (FullError, KeyTakenError):
            # The queue has said no. After any other fault it may have the request all the same, with a key that
            # brings its client back; without its body it would fail then. What nobody reads goes by its age.
            await self.forget_body(body.ref)
            raise
        if not enqueued.is_repeat:
            return enqueued, body.ref
        await self.forget_body(body.ref)
        call.id = enqueued.request_id
        call.headers.append((_REPLAYED, b"true"))
        return enqueued, None

    async def explain(self, call: Call, position: int | None) -> Waiting | None:
        """Why the call waits and for how long; its answer's headers will say so. None if nobody knows."""
        if position is None:
            return None
        call.headers.append((_POSITION, b"%d" % position))
        view = await self._looks.recent_if_any(call.served.name)
        if view is None:
            return None
        why = explain(view, call.served.record.scaling, position)
        if why.estimate_seconds is not None:
            call.headers.append((_ESTIMATE, b"%.1f" % why.estimate_seconds))
        return why

    async def forget_body(self, ref: str | None) -> None:
        """Remove a stored body that nobody will read; where the store is away it goes by its age."""
        if ref is not None:
            with contextlib.suppress(ObjectsAwayError):
                await self._objects.remove(ref)

    async def _read_body(self, call: Call) -> Body:
        declared = call.incoming.content_length
        with self._room.body() as held:
            size = 0

            def make_room(chunk: bytes) -> None:
                nonlocal size
                size += len(chunk)
                held.grow(size)

            async def check_room() -> None:
                await self._check_room(call, declared)

            if declared is not None and declared <= call.served.most_body_bytes:
                held.grow(declared)
            call.body.listeners.append(make_room)
            with told_as_refusals():
                return await call.body.read(call.id, declared, self._objects, check_room)

    async def _check_room(self, call: Call, declared: int | None) -> None:
        """Refuse a large body while the queue or the object store is full."""
        served = call.served
        view = await self._looks.recent(served.name)
        if view.waiting >= served.bounds.waiting:
            # What was seen may be a second old; a refusal must be true now.
            view = await self._looks.now(served.name)
            if view.waiting >= served.bounds.waiting:
                raise full(served, "waiting", view)
        size = INLINE_BYTES if declared is None else declared
        await self._store_room.check(size, _seconds_until_clear(view, served))

    async def _store(
        self, call: Call, body: Body, caller: Caller | None, key: IdempotencyKey | None
    ) -> Enqueued:
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
            priority=call.priority,
            key=key,
        )
        try:
            async with asyncio.timeout(OUTLAST_SECONDS):
                return await self._enqueue_patiently(request, served.bounds)
        except QueueFullError as exc:
            # The view may be a second old, but how many wait is known.
            view = await self._looks.recent(served.name)
            raise full(served, exc.bound, replace(view, waiting=exc.waiting)) from exc
        except KeyConflictError as exc:
            raise KeyTakenError(
                "The Idempotency-Key was first sent with another method, path or body."
                " Send another key, or the same request."
            ) from exc
        except (QueueUnavailableError, TimeoutError) as exc:
            raise queue_away() from exc

    async def _enqueue_patiently(self, request: NewRequest, bounds: Bounds) -> Enqueued:
        """Outlast a queue that restarts: the same request journalled twice stands there once.

        Raises:
            QueueError: the queue refuses, or has no memory left; while it is merely away this goes on.
        """
        while True:
            try:
                return await self._queue.enqueue(request, bounds)
            except QueueOutOfMemoryError:
                raise
            except QueueUnavailableError:
                await asyncio.sleep(AGAIN_SECONDS)


def full(served: Served, bound: str, view: EndpointView) -> FullError:
    """The refusal of a full queue."""
    most = (
        f"{served.bounds.waiting} requests may wait, limits.waiting"
        if bound == "waiting"
        else f"{served.bounds.waiting_bytes} bytes of bodies may wait"
    )
    return FullError(
        f"The queue of {served.name!r} is full ({most}). Try again later.",
        retry_after=_seconds_until_clear(view, served),
    )


def _seconds_until_clear(view: EndpointView, served: Served) -> float:
    return seconds_until_clear(view, served.record.scaling, float(served.record.limits.queue_seconds))
