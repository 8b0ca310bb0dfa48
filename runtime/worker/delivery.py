"""Where an answer goes: straight to the waiting gateway, or into the store for whoever asks later."""

import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass

from aiohttp import ClientError, ClientSession, ClientTimeout

from runtime.objects import Objects, answer_name
from runtime.queue.port import Answer, Caller
from runtime.wire import AnswerHead
from runtime.wire.answers import ANSWERS_PATH, frame_head
from runtime.wire.headers import ANSWER_SECRET, ATTEMPT

SMALL_BYTES = 64 * 1024
"""Answers of a known length up to this go out in one piece."""
STORED_BYTES = 256 * 1024
"""Answers up to this are kept in the queue's own record, larger ones in the object store."""
CONNECT_SECONDS = 2.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Recipient:
    """A gateway that waits for the answer of one attempt."""

    session: ClientSession
    caller: Caller
    request_id: str
    attempt: int

    async def send(self, head: AnswerHead, body: bytes | AsyncIterator[bytes]) -> bool:
        """Hand the answer over; False when nobody wants it (any more).

        An exception of `body` breaks the answer off and is raised again by whoever reads `body` on.
        """
        prefix = frame_head(head)
        try:
            async with self.session.post(
                f"{self.caller.url}{ANSWERS_PATH}{self.request_id}",
                data=prefix + body if isinstance(body, bytes) else _behind(prefix, body),
                headers={ANSWER_SECRET: self.caller.secret, ATTEMPT: str(self.attempt)},
                timeout=ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),
            ) as response:
                await response.read()
                return response.ok
        except (ClientError, OSError) as exc:
            _log.info("request %s: its gateway is gone: %s", self.request_id, type(exc).__name__)
            return False


async def store_answer(
    objects: Objects, request_id: str, attempt: int, head: AnswerHead, chunks: AsyncIterator[bytes]
) -> Answer:
    """Read an answer to its end and keep it: small ones by value, large ones by reference."""
    start = bytearray()
    async for chunk in chunks:
        start += chunk
        if len(start) > STORED_BYTES:
            name = answer_name(request_id, attempt)
            await objects.write(name, _behind(bytes(start), chunks))
            return Answer(head, b"", name)
    return Answer(head, bytes(start))


async def _behind(start: bytes, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield start
    async for chunk in chunks:
        yield chunk
