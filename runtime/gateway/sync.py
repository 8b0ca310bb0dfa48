"""Sync calls: enqueue, wait in the same queue as everyone, and have the answer written by its worker."""

import asyncio
import secrets
from collections.abc import Callable

import structlog

from runtime.gateway.bodies import Body
from runtime.gateway.errors import (
    GatewayError,
    LostError,
    QueueAwayError,
    RanTooLongError,
    WaitedTooLongError,
)
from runtime.gateway.intake import QUEUE_SECONDS, Call, Intake, queue_away
from runtime.gateway.metrics import Metrics
from runtime.gateway.outcome import is_final, why_no_answer
from runtime.gateway.waiters import Phase, Waiter, Waiters
from runtime.queue.port import Caller, Queue, QueueError, RequestView
from runtime.waiting import explain
from runtime.wire import RequestState

SLACK_SECONDS = 5.0
"""What a run may take beyond `request_seconds` before the gateway gives up: the worker's deadline is first."""
CANCEL_SECONDS = 2.0
"""Longest wait for a cancel; one that fails costs a run whose answer is dropped, nothing more."""


class SyncCalls:
    """Serves calls whose client waits for the answer."""

    def __init__(
        self,
        *,
        queue: Queue,
        intake: Intake,
        waiters: Waiters,
        metrics: Metrics,
        caller: Callable[[str], Caller],
        clock: Callable[[], float],
        log: structlog.typing.FilteringBoundLogger,
    ) -> None:
        self._queue = queue
        self._intake = intake
        self._waiters = waiters
        self._metrics = metrics
        self._caller = caller
        self._clock = clock
        self._log = log

    async def serve(self, call: Call) -> None:
        """Answer one call; returning with an answer begun but not complete breaks its connection off.

        Raises:
            GatewayError: in place of an answer; nothing has been sent then.
        """
        body = await self._intake.read_body(call)
        secret = secrets.token_urlsafe(16)
        patience = call.served.record.limits.request_seconds + SLACK_SECONDS
        waiter = Waiter(
            call.id, call.served.name, secret=secret, send=call.send, now=self._clock(), patience=patience
        )
        self._waiters.open(waiter)
        self._metrics.accepted(waiter.endpoint)
        try:
            await self._enqueue(call, body, waiter, secret)
            await self._wait(call, waiter)
        finally:
            self._waiters.close(waiter)
            self._metrics.ended(waiter.endpoint, self._clock() - waiter.opened_at)
            await self._intake.forget_body(body)

    async def _enqueue(self, call: Call, body: Body, waiter: Waiter, secret: str) -> None:
        try:
            await self._intake.enqueue(call, body, self._caller(secret))
        except QueueAwayError:
            # It may have been stored all the same, only the reply was lost.
            await self._give_up(waiter)
            raise
        waiter.is_queued = True

    async def _wait(self, call: Call, waiter: Waiter) -> None:
        """Return when the answer is out, has broken off, or is not wanted any more."""
        try:
            outcome = await self._follow(call, waiter)
        finally:
            if waiter.phase is not Phase.DONE:
                await self._give_up(waiter)
        if outcome != "answered":
            self._log.info("request not answered", request_id=waiter.id, outcome=outcome)
        self._metrics.count(waiter.endpoint, outcome)

    async def _follow(self, call: Call, waiter: Waiter) -> str:
        """How the wait ended: answered, gone (the client) or broken (the answer)."""
        attempts = 0
        waiter.wait_until(waiter.opened_at + call.served.record.limits.queue_seconds)
        while not await waiter.listen(call.body.receive):
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
        why = explain(await self._intake.look(call.served), call.served.record.scaling, view.position)
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

    async def _give_up(self, waiter: Waiter) -> None:
        """Nobody waits any more: never run it again, and do not begin if it still waits."""
        waiter.leave()
        try:
            async with asyncio.timeout(CANCEL_SECONDS):
                await self._queue.cancel(waiter.id)
        except (QueueError, TimeoutError) as exc:
            self._log.warning("cancel failed", request_id=waiter.id, fault=type(exc).__name__)


def lost() -> LostError:
    """The error of a request that the queue does not know."""
    return LostError("The queue knows the request no longer: it was cancelled, or the queue lost its data.")
