"""How a worker hands an answer to the gateway: a length, the head, then the body as it comes."""

import struct
from collections.abc import AsyncIterator

from runtime.wire.requests import AnswerHead

MAX_HEAD_BYTES = 256 * 1024
"""Largest encoded head that is accepted, in bytes."""
_LENGTH = struct.Struct(">I")


class BadAnswerError(ValueError):
    """The bytes are no answer: too short, or the head is too large or not readable."""


def frame_head(head: AnswerHead) -> bytes:
    """The bytes that go before an answer's body: four of length, big-endian, and the encoded head."""
    encoded = head.encode()
    return _LENGTH.pack(len(encoded)) + encoded


async def read_head(chunks: AsyncIterator[bytes]) -> tuple[AnswerHead, bytes]:
    """The head from a framed answer, and what came of the body with it; `chunks` goes on behind that.

    Raises:
        BadAnswerError: the chunks end early or hold no head.
    """
    received = bytearray()
    needed = _LENGTH.size
    while len(received) < needed:
        received += await _next_chunk(chunks)
        if needed == _LENGTH.size <= len(received):
            needed += _head_length(received)
    head = AnswerHead.decode(bytes(received[_LENGTH.size : needed]))
    return head, bytes(received[needed:])


async def _next_chunk(chunks: AsyncIterator[bytes]) -> bytes:
    try:
        return await anext(chunks)
    except StopAsyncIteration as exc:
        raise BadAnswerError("the answer ended before its head") from exc


def _head_length(received: bytearray) -> int:
    (length,) = _LENGTH.unpack(received[: _LENGTH.size])
    if length > MAX_HEAD_BYTES:
        raise BadAnswerError(f"an answer's head of {length} bytes is above {MAX_HEAD_BYTES}")
    return int(length)
