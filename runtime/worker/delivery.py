"""Where an answer goes: straight to the waiting gateway, or into the store for whoever asks later."""

import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import urlsplit

from runtime.objects import Objects, answer_name
from runtime.queue.port import Answer, Taken
from runtime.wire import AnswerHead
from runtime.wire.answers import ANSWERS_PATH, Reply, frame_head
from runtime.wire.headers import ANSWER_SECRET, ATTEMPT, WAITED
from runtime.worker.http1 import Address, Connections, HttpFaultError, Request
from runtime.worker.pipe import BrokenOffError

SMALL_BYTES = 64 * 1024
"""Answers of a known length up to this go out in one piece."""
STORED_BYTES = 256 * 1024
"""Answers up to this are kept in the queue's own record, larger ones in the object store."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Recipient:
    """The gateway that waits for the answer of one take."""

    connections: Connections
    taken: Taken

    async def send(self, head: AnswerHead, body: bytes | AsyncIterator[bytes]) -> bool:
        """Hand the answer over; False when nobody wants it (any more).

        An exception of `body` breaks the answer off.
        """
        caller, taken = self.taken.caller, self.taken
        if caller is None:
            return False
        prefix = frame_head(head)
        headers = (
            (ANSWER_SECRET, caller.secret),
            (ATTEMPT, str(taken.attempt)),
            (WAITED, f"{taken.waited_seconds:.3f}"),
        )
        sent = prefix + body if isinstance(body, bytes) else _behind(prefix, body)
        request = Request("POST", f"{ANSWERS_PATH}{taken.id}", headers, sent)
        try:
            async with self.connections.request(_address(caller.url), request) as response:
                return response.status == Reply.DELIVERED
        except HttpFaultError as exc:
            _log.info("request %s: its gateway is gone: %s", taken.id, exc)
        except BrokenOffError:
            _log.info("request %s: its answer broke off", taken.id)
        return False


@lru_cache(maxsize=64)
def _address(url: str) -> Address:
    parts = urlsplit(url)
    return parts.hostname or "127.0.0.1", parts.port or 80


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
