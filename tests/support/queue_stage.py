"""One endpoint of its own on some queue, and the moves that tests of the queue make most."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from itertools import count

import pytest

from runtime.queue.port import (
    MAX_FAULTS,
    Bounds,
    Caller,
    EndpointView,
    Enqueued,
    IdempotencyKey,
    NewRequest,
    Queue,
    ReplicaState,
    ReplicaView,
    RequestView,
    Taken,
)
from runtime.wire import RequestHead, new_request_id

HEAD = RequestHead(
    "POST", "/infer?a=1", (("content-type", "application/json"), ("x-two", "é"), ("x-two", "b"))
)
CALLER = Caller("gateway-1", "http://127.0.0.1:1/answers", "s3cret")
ROOMY = Bounds(waiting=1000, waiting_bytes=1 << 30)

LASTS_LONG = pytest.mark.parametrize(
    "stage",
    ["memory", *(pytest.param(name, marks=pytest.mark.slow) for name in ("alone", "cluster"))],
    indirect=True,
)
"""For laws of several seconds: on a real server they are slow, on the test's clock they are not."""

SWEEP_SECONDS = 2.0
LONGEST_SECONDS = 120.0
"""Longer times pass in one leap."""
_numbers = count(1)


class SkewedClock:
    """The wall clock, and what a test let pass without waiting for it."""

    def __init__(self) -> None:
        self.skew = 0.0

    def __call__(self) -> float:
        """Seconds since the epoch."""
        return time.time() + self.skew

    async def advance(self, seconds: float) -> None:
        """Let time pass at once."""
        self.skew += seconds


async def eventually(condition: Callable[[], Awaitable[bool]], seconds: float = 5.0) -> None:
    """Poll until the condition holds.

    Raises:
        TimeoutError: it does not in so many seconds.
    """
    async with asyncio.timeout(seconds):
        while not await condition():  # noqa: ASYNC110 - what it waits for is in another process
            await asyncio.sleep(0.005)


@dataclass(slots=True)
class Stage:
    """A queue and an endpoint that no other test uses."""

    queue: Queue
    advance: Callable[[float], Awaitable[None]] | None = None
    """Lets time pass at once where the queue's clock is the test's; else it passes by itself."""
    endpoint: str = ""

    def __post_init__(self) -> None:
        self.endpoint = f"stage-{next(_numbers)}"

    async def pass_time(self, seconds: float) -> None:
        """Return when so many seconds have passed on the queue's clock, with somebody who sweeps as a scaler does."""
        if seconds > LONGEST_SECONDS:
            return await self.let_pass(seconds)
        end = (await self.view()).now + seconds
        while (left := end - (await self.view()).now) >= 0:
            await self.queue.sweep(self.endpoint)
            await self.let_pass(min(left, SWEEP_SECONDS) + 0.001)
        return None

    async def let_pass(self, seconds: float) -> None:
        """Return when so many seconds have passed on the queue's clock; nobody sweeps meanwhile."""
        end = (await self.view()).now + seconds
        if self.advance is not None:
            await self.advance(seconds)

        async def has_passed() -> bool:
            return (await self.view()).now > end

        await eventually(has_passed, seconds + 5)

    async def enqueue(
        self,
        body: bytes = b"{}",
        *,
        caller: Caller | None = None,
        queue_seconds: float = 60.0,
        priority: int = 1,
        body_ref: str | None = None,
        body_bytes: int | None = None,
        key: IdempotencyKey | None = None,
        bounds: Bounds = ROOMY,
    ) -> str:
        """Enqueue a fresh request; its id comes back."""
        request = NewRequest(
            id=new_request_id(self.endpoint),
            head=HEAD,
            body=body,
            queue_seconds=queue_seconds,
            body_ref=body_ref,
            body_bytes=body_bytes,
            caller=caller,
            priority=priority,
            key=key,
        )
        return (await self.queue.enqueue(request, bounds)).request_id

    async def say(self, key: IdempotencyKey, bounds: Bounds = ROOMY) -> Enqueued:
        """Enqueue an async request with a key, as a client does that says it again."""
        request = NewRequest(new_request_id(self.endpoint), HEAD, b"{}", 60, key=key)
        return await self.queue.enqueue(request, bounds)

    async def ready(self, *replicas: str) -> None:
        """Join replicas and report them ready."""
        for replica in replicas:
            await self.queue.join(self.endpoint, replica, "rev-1")
            await self.queue.beat(self.endpoint, replica, ReplicaState.READY)

    async def try_take(self, replica: str = "r1", lease_seconds: float = 30.0) -> Taken | None:
        """Take for a replica."""
        return await self.queue.take(self.endpoint, replica, lease_seconds)

    async def take(self, replica: str = "r1", lease_seconds: float = 30.0) -> Taken:
        """Take for a replica; there must be something to take."""
        taken = await self.try_take(replica, lease_seconds)
        assert taken is not None
        return taken

    async def take_all(self) -> list[str]:
        """Take and finish until nothing waits; the ids in order."""
        order = []
        while (taken := await self.try_take()) is not None:
            order.append(taken.id)
            await self.queue.finish(self.endpoint, taken.id, taken.attempt, None)
        return order

    async def fault(self, replica: str = "r1") -> Taken:
        """Have a replica take a request and see its model die under it."""
        await self.queue.beat(self.endpoint, replica, ReplicaState.READY)
        taken = await self.take(replica)
        await self.queue.give_back(self.endpoint, taken.id, taken.attempt, fault="exit status 137")
        return taken

    async def kill(self, replica: str = "r1") -> str:
        """Have the first waiting request become a dead letter; its id comes back."""
        await self.queue.join(self.endpoint, replica, "rev-1")
        return [(await self.fault(replica)).id for _ in range(MAX_FAULTS)][-1]

    async def lose(self, replica: str) -> Taken:
        """Have a fresh replica take a request and go silent until its lease is swept."""
        await self.ready(replica)
        taken = await self.take(replica, lease_seconds=0.03)
        await self.pass_time(0.05)
        await self.queue.sweep(self.endpoint)
        return taken

    async def view(self) -> EndpointView:
        """The endpoint at this moment."""
        return await self.queue.look(self.endpoint)

    async def replica(self, replica: str = "r1") -> ReplicaView:
        """A replica that the queue must know."""
        return {each.id: each for each in (await self.view()).replicas}[replica]

    async def replicas(self) -> set[str]:
        """Ids of the replicas that the queue knows."""
        return {each.id for each in (await self.view()).replicas}

    async def found(self, request_id: str) -> RequestView:
        """A request that the queue must know."""
        view = await self.queue.find(request_id)
        assert view is not None
        return view

    async def found_positions(self, *request_ids: str) -> list[int | None]:
        """How many wait before each."""
        return [(await self.found(request_id)).position for request_id in request_ids]
