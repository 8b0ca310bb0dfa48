"""Sync calls: enqueue, wait in the same queue as everyone, and have the answer written by its worker."""

import asyncio
import secrets
from collections.abc import Callable

import structlog

from runtime.gateway.errors import GatewayError, QueueAwayError, RanTooLongError, WaitedTooLongError
from runtime.gateway.intake import Call, Intake
from runtime.gateway.looks import QUEUE_SECONDS, Looks, queue_away
from runtime.gateway.metrics import Metrics
from runtime.gateway.outcome import is_final, lost, why_no_answer
from runtime.gateway.room import Room
from runtime.gateway.stored import SLACK_SECONDS, StoredAnswers
from runtime.gateway.waiters import Phase, Waiter, Waiters
from runtime.queue.port import Caller, Enqueued, Queue, QueueError, RequestView
from runtime.waiting import explain
from runtime.wire import RequestState

CANCEL_SECONDS = 2.0
"""Longest wait for a cancel; one that fails costs a run whose answer is dropped, nothing more."""
STORED = "stored"
"""A wait that ends with an answer which the queue has, or will have."""

_NEVER_RUN = frozenset({None, RequestState.CANCELLED, RequestState.EXPIRED})
"""What becomes of a request that no worker has, nor will have."""


class SyncCalls:
    """Serves calls whose client waits for the answer."""

    def __init__(
        self,
        *,
        queue: Queue,
        intake: Intake,
        stored: StoredAnswers,
        waiters: Waiters,
        looks: Looks,
        room: Room,
        metrics: Metrics,
        caller: Callable[[str], Caller],
        clock: Callable[[], float],
        log: structlog.typing.FilteringBoundLogger,
    ) -> None:
        self._queue = queue
        self._intake = intake
        self._stored = stored
        self._waiters = waiters
        self._looks = looks
        self._room = room
        self._metrics = metrics
        self._caller = caller
        self._clock = clock
        self._log = log

    async def serve(self, call: Call) -> None:
        """Answer one call; returning with an answer begun but not complete breaks its connection off.

        Raises:
            GatewayError: in place of an answer; nothing has been sent then.
        """
        with self._room.client():
            outcome = await self._run(call)
            if outcome == STORED:
                outcome = await self._stored.serve(call)
        self._log.info("request ended", request_id=call.id, outcome=outcome)
        self._metrics.count(call.served.name, outcome)

    async def _run(self, call: Call) -> str:
        """Enqueue the call and wait for its answer; how that ended."""
        secret = secrets.token_urlsafe(16)
        waiter = self._make_waiter(call, secret)

        def begin_wait() -> Caller:
            waiter.begin_wait(self._clock(), call.served.record.limits.queue_seconds)
            self._waiters.open(waiter)
            self._metrics.accepted(waiter.endpoint)
            return self._caller(secret)

        try:
            enqueued, body_ref = await self._enqueue(call, waiter, begin_wait)
            if enqueued.is_repeat:
                return STORED
            return await self._wait(call, waiter, enqueued, body_ref)
        finally:
            if self._waiters.close(waiter):
                self._metrics.ended(waiter, self._clock())

    def _make_waiter(self, call: Call, secret: str) -> Waiter:
        return Waiter(
            call.id,
            call.served.name,
            secret=secret,
            send=call.send,
            patience=call.served.record.limits.request_seconds + SLACK_SECONDS,
            headers=call.headers,
        )

    async def _enqueue(
        self, call: Call, waiter: Waiter, begin_wait: Callable[[], Caller]
    ) -> tuple[Enqueued, str | None]:
        try:
            enqueued, body_ref = await self._intake.enqueue(call, begin_wait)
        except QueueAwayError:
            # It may have been stored all the same, only the reply was lost. With a key a retry will find it.
            if call.key is None:
                await self._give_up(waiter, None)
            raise
        waiter.is_queued = not enqueued.is_repeat
        return enqueued, body_ref

    async def _wait(self, call: Call, waiter: Waiter, enqueued: Enqueued, body_ref: str | None) -> str:
        """Return when the answer is out, has broken off, or is not wanted any more."""
        self._log.info("request accepted", request_id=call.id, position=enqueued.position)
        try:
            why = await self._intake.explain(call, enqueued.position)
            waiter.estimate_seconds = why.estimate_seconds if why is not None else None
            return await self._follow(call, waiter)
        finally:
            # Whoever sent a key may come back for the answer, so it is run although nobody waits.
            if waiter.phase is not Phase.DONE and call.key is None:
                await self._give_up(waiter, body_ref)

    async def _follow(self, call: Call, waiter: Waiter) -> str:
        """How the wait ended: answered, stored, gone (the client) or broken (the answer)."""
        attempts = 0
        while not await waiter.listen(call.body.receive):
            if waiter.is_stored:
                return STORED
            if waiter.error is not None:
                raise waiter.error
            if waiter.phase is not Phase.WAITING:
                return "broken"
            attempts = await self._look_after(call, waiter, attempts)
        return "answered" if waiter.phase is Phase.DONE else "gone"

    async def _look_after(self, call: Call, waiter: Waiter, attempts: int) -> int:
        """At the deadline: every new take gets its time; the number of takes that have had it comes back.

        Raises:
            GatewayError: the request will not be answered.
        """
        view = await self._find(waiter.id)
        if view is not None and view.answer is not None:
            waiter.turn_to_stored()
            return attempts
        error = await self._verdict(call, view, attempts)
        # From this check to the refusal nothing is awaited: no answer may begin in between.
        if waiter.phase is not Phase.WAITING:
            return attempts
        if error is not None or view is None:
            raise error or lost()
        limits = call.served.record.limits
        running = view.state is RequestState.RUNNING
        seconds = limits.request_seconds + SLACK_SECONDS if running else limits.queue_seconds
        waiter.wait_until(self._clock() + seconds)
        return view.attempt

    async def _verdict(self, call: Call, view: RequestView | None, attempts: int) -> GatewayError | None:
        if view is None:
            return lost()
        if is_final(view.state):
            return why_no_answer(view)
        if view.attempt > attempts:
            return None
        limits = call.served.record.limits
        if view.state is RequestState.RUNNING:
            return RanTooLongError(
                f"The request ran longer than {limits.request_seconds} s (limits.request_seconds)."
            )
        why = explain(await self._looks.now(call.served.name), call.served.record.scaling, view.position)
        return WaitedTooLongError(
            f"The request waited {limits.queue_seconds} s (limits.queue_seconds) and no replica became free"
            f" for it: {why.cause or 'replicas were ready but busy'}."
        )

    async def _find(self, request_id: str) -> RequestView | None:
        try:
            async with asyncio.timeout(QUEUE_SECONDS):
                return await self._queue.find(request_id)
        except (QueueError, TimeoutError) as exc:
            raise queue_away() from exc

    async def _give_up(self, waiter: Waiter, body_ref: str | None) -> None:
        """Nobody waits any more: never run it again, and do not begin if it still waits."""
        waiter.leave()
        try:
            async with asyncio.timeout(CANCEL_SECONDS):
                state = await self._queue.cancel(waiter.id)
        except (QueueError, TimeoutError) as exc:
            self._log.warning("cancel failed", request_id=waiter.id, fault=type(exc).__name__)
            return
        if state in _NEVER_RUN:
            await self._intake.forget_body(body_ref)
