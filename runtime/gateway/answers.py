"""Workers' answers on the inner port: each is written to its client's connection as it comes."""

import re
from collections.abc import Callable

import structlog
from starlette.types import Message, Receive, Scope, Send

from runtime.gateway.incoming import RawHeaders
from runtime.gateway.metrics import Metrics
from runtime.gateway.waiters import Delivery, Phase, StaleAttemptError, Waiter, Waiters
from runtime.wire import AnswerHead
from runtime.wire.answers import ANSWERS_PATH, HeadReader, MalformedAnswerError, Reply
from runtime.wire.headers import (
    ANSWER_SECRET,
    ATTEMPT,
    HOP_BY_HOP,
    IDEMPOTENCY_REPLAYED,
    QUEUE_ESTIMATE,
    QUEUE_POSITION,
    QUEUE_WAIT,
    REQUEST_ID,
    WAITED,
)

_SECRET = ANSWER_SECRET.encode()
_ATTEMPT = ATTEMPT.encode()
_REQUEST_ID = REQUEST_ID.encode()
_WAITED = WAITED.encode()
_QUEUE_WAIT = QUEUE_WAIT.encode()
_REPLACED = HOP_BY_HOP | {REQUEST_ID, IDEMPOTENCY_REPLAYED, QUEUE_ESTIMATE, QUEUE_POSITION, QUEUE_WAIT}
_SECONDS = re.compile(rb"[0-9]{1,9}(?:\.[0-9]{1,9})?")
BODILESS = frozenset({204, 304})
"""Statuses whose answers never have a body."""


class WorkerGoneError(Exception):
    """The worker's connection was lost in the middle of its answer."""


class Answers:
    """ASGI application of `POST /answers/<request id>`."""

    def __init__(
        self,
        waiters: Waiters,
        metrics: Metrics,
        clock: Callable[[], float],
        log: structlog.typing.FilteringBoundLogger,
    ) -> None:
        self._waiters = waiters
        self._metrics = metrics
        self._clock = clock
        self._log = log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Deliver one answer and tell the worker how it went."""
        request_id = scope["path"][len(ANSWERS_PATH) :]
        headers = dict(scope["headers"])
        waiter = self._waiters.find(request_id)
        attempt = headers.get(_ATTEMPT, b"")
        if waiter is None:
            reply = Reply.UNKNOWN
        elif not waiter.is_secret(headers.get(_SECRET, b"").decode("latin-1")):
            reply = Reply.FORBIDDEN
        elif not attempt.isdigit():
            reply = Reply.MALFORMED
        else:
            try:
                waited = _seconds(headers.get(_WAITED, b""))
                reply = await self._deliver(waiter, int(attempt), waited, receive)
            except WorkerGoneError:
                return
        await send({"type": "http.response.start", "status": reply, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body"})

    async def _deliver(self, waiter: Waiter, attempt: int, waited: float | None, receive: Receive) -> Reply:
        try:
            delivery = waiter.begin(attempt)
        except StaleAttemptError:
            return waiter.unwanted
        try:
            async with delivery.bell:
                return await self._pass_on(waiter, delivery, waited, receive)
        except (StaleAttemptError, TimeoutError):
            return waiter.unwanted
        except MalformedAnswerError:
            self._log.warning("answer malformed", request_id=waiter.id)
            return Reply.MALFORMED
        except WorkerGoneError:
            waiter.break_off()
            raise
        except RuntimeError as exc:
            # The server refuses to write what the head did not announce: another length, a bad header.
            self._log.warning("answer broken", request_id=waiter.id, fault=str(exc))
            waiter.break_off()
            return Reply.GONE
        finally:
            waiter.retract(delivery)

    async def _pass_on(
        self, waiter: Waiter, delivery: Delivery, waited: float | None, receive: Receive
    ) -> Reply:
        reader = HeadReader()
        message = await _next(receive)
        while (framed := reader.feed(message.get("body", b""))) is None:
            if not message.get("more_body", False):
                raise MalformedAnswerError("it ended before its head did")
            message = await _next(receive)
        head, body = framed
        now = self._clock()
        waiter.claim(delivery, now)
        waiter.waited_seconds = waited
        self._metrics.answer_began(waiter.endpoint, now - waiter.opened_at)
        await waiter.send(_start(head, waiter))
        while message.get("more_body", False):
            if body:
                await waiter.send({"type": "http.response.body", "body": body, "more_body": True})
            message = await _next(receive)
            if waiter.phase is not Phase.ANSWERING:
                return Reply.GONE
            body = message.get("body", b"")
        await waiter.send({"type": "http.response.body", "body": body})
        if waiter.phase is not Phase.ANSWERING:
            return Reply.GONE
        waiter.complete()
        return Reply.DELIVERED


async def _next(receive: Receive) -> Message:
    message = await receive()
    if message["type"] == "http.disconnect":
        raise WorkerGoneError
    return message


def _start(head: AnswerHead, waiter: Waiter) -> Message:
    headers = client_headers(head)
    headers.append((_REQUEST_ID, waiter.id.encode()))
    headers += waiter.headers
    if waiter.waited_seconds is not None:
        headers.append((_QUEUE_WAIT, b"%.3f" % waiter.waited_seconds))
    return {"type": "http.response.start", "status": head.status, "headers": headers}


def _seconds(text: bytes) -> float | None:
    """What a worker says that a request waited; None where it says nothing that can be believed."""
    return float(text) if _SECONDS.fullmatch(text) else None


def client_headers(head: AnswerHead) -> RawHeaders:
    """A model's headers as its client sees them: end-to-end ones, in order, repeated ones kept."""
    dropped: set[str] | frozenset[str] = _REPLACED
    if head.status in BODILESS:
        dropped = dropped | {"content-length"}
    for name, value in head.headers:
        if name == "connection":
            dropped = dropped | {token.strip().lower() for token in value.split(",")}
    return [
        (name.encode("latin-1"), value.encode("latin-1", "replace"))
        for name, value in head.headers
        if name not in dropped
    ]
