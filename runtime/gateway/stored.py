"""Answers that the queue has kept: what they look like to a client, and waiting for one."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from runtime.gateway.answers import BODILESS, client_headers
from runtime.gateway.errors import AnswerNotKeptError, RanTooLongError
from runtime.gateway.incoming import RawHeaders
from runtime.gateway.intake import Call
from runtime.gateway.looks import QUEUE_SECONDS, queue_away
from runtime.gateway.outcome import is_final, lost, why_no_answer
from runtime.gateway.room import Room
from runtime.gateway.store_room import told_as_refusals
from runtime.objects import NoObjectError, Objects
from runtime.queue.port import Answer, Queue, QueueError, RequestView
from runtime.wire import AnswerHead
from runtime.wire.headers import REQUEST_ID

FIRST_POLL_SECONDS = 0.05
MOST_POLL_SECONDS = 0.5
"""How often a repetition looks for the first request's answer."""
SLACK_SECONDS = 5.0
"""What waiting and running may take beyond their limits, before a repetition gives up."""


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """An answer ready to be sent."""

    status: int
    headers: RawHeaders
    chunks: AsyncIterator[bytes]


async def open_stored(objects: Objects, request_id: str, answer: Answer) -> StoredAnswer:
    """The answer with its body, wherever that is.

    Raises:
        AnswerNotKeptError: its body is gone.
        StoreAwayError: nobody can say.
    """
    if answer.body_ref is None:
        size, chunks = len(answer.body), _once(answer.body)
    else:
        try:
            with told_as_refusals():
                size = await objects.size(answer.body_ref)
            chunks = objects.read(answer.body_ref)
        except NoObjectError as exc:
            raise AnswerNotKeptError("The answer is not stored any more.") from exc
    return StoredAnswer(answer.head.status, _headers(answer.head, size, request_id), chunks)


class StoredAnswers:
    """Serves sync calls whose answer comes from the queue, now or later."""

    def __init__(self, queue: Queue, objects: Objects, room: Room, clock: Callable[[], float]) -> None:
        self._queue = queue
        self._objects = objects
        self._room = room
        self._clock = clock

    async def serve(self, call: Call) -> str:
        """Wait for the end of the request of `call.id` and answer with it: "answered", or "gone" (the client).

        Raises:
            GatewayError: it ended without an answer.
        """
        view = await self._await_end(call)
        if view is None:
            return "gone"
        if view.answer is None:
            raise why_no_answer(view)
        stored = await open_stored(self._objects, call.id, view.answer)
        headers = [*stored.headers, *call.headers]
        await call.send({"type": "http.response.start", "status": stored.status, "headers": headers})
        async for chunk in stored.chunks:
            await call.send({"type": "http.response.body", "body": chunk, "more_body": True})
        await call.send({"type": "http.response.body"})
        return "answered"

    async def _await_end(self, call: Call) -> RequestView | None:
        """The request at its end; None when the client is gone before."""
        limits = call.served.record.limits
        deadline = self._clock() + limits.queue_seconds + limits.request_seconds + SLACK_SECONDS
        pause = FIRST_POLL_SECONDS
        while not is_final((view := await self._find(call.id)).state):
            self._room.check_open()
            if self._clock() > deadline:
                raise RanTooLongError("The request has not ended within its limits; ask for it later.")
            if await _is_gone_within(call, pause):
                return None
            pause = min(2 * pause, MOST_POLL_SECONDS)
        return view

    async def _find(self, request_id: str) -> RequestView:
        try:
            async with asyncio.timeout(QUEUE_SECONDS):
                view = await self._queue.find(request_id)
        except (QueueError, TimeoutError) as exc:
            raise queue_away() from exc
        if view is None:
            raise lost()
        return view


async def _is_gone_within(call: Call, seconds: float) -> bool:
    """Whether the client leaves; returns then, or after so many seconds."""
    try:
        async with asyncio.timeout(seconds):
            while (await call.body.receive())["type"] != "http.disconnect":
                pass
    except TimeoutError:
        return False
    return True


async def _once(body: bytes) -> AsyncIterator[bytes]:
    yield body


def _headers(head: AnswerHead, size: int, request_id: str) -> RawHeaders:
    """A stored answer's headers, with the length that is true of what is stored (a HEAD stores no body)."""
    headers = [pair for pair in client_headers(head) if pair[0] != b"content-length"]
    if head.status not in BODILESS:
        headers.append((b"content-length", b"%d" % size))
    headers.append((REQUEST_ID.encode(), request_id.encode()))
    return headers
