"""Sends a result piece by piece, as server-sent events, while the model computes it.

Each piece is one line `data: ` with JSON and an empty line; the last is `data: [DONE]`: the one
framing that every OctoAI client reads. Only the next piece is ever asked for, and only once the
last one is on its way, so a slow reader slows the model down and nothing piles up.

When the model fails half-way, no error event is sent (OctoAI's clients would take it for a
result): the connection is closed before the body is complete, which every HTTP client reports.
"""

import asyncio
import inspect
import logging
from collections.abc import AsyncIterator, Iterator
from typing import Any, Protocol

from starlette.types import Receive, Send

from runtime.replica.encode import to_json
from runtime.replica.executor import InferenceThread

log = logging.getLogger("moorage.replica")

DONE = b"data: [DONE]\n\n"
HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
]


class Pieces(Protocol):
    """A result that is still being computed."""

    async def next(self) -> bytes | None:
        """The next event, or None after the last."""

    async def close(self) -> None:
        """Tell the generator that no more is wanted."""


def is_stream(result: object) -> bool:
    """Whether `result` is a generator, or any other iterator, and not a finished value."""
    return isinstance(result, Iterator | AsyncIterator)


def pieces_of(result: Any, thread: InferenceThread) -> Pieces:
    """The pieces of an iterator, computed in the thread, or of an async one, on the loop."""
    return LoopPieces(result) if isinstance(result, AsyncIterator) else ThreadPieces(result, thread)


class ThreadPieces:
    """Pieces of a plain generator; each step runs in the inference thread."""

    def __init__(self, items: Iterator[Any], thread: InferenceThread) -> None:
        self._items = items
        self._thread = thread

    async def next(self) -> bytes | None:
        """The next event, or None after the last."""
        return await self._thread.run(self._step)

    async def close(self) -> None:
        """Run the generator's clean-up; it waits for a step that is being computed."""
        close = getattr(self._items, "close", None)
        if close is not None:
            await self._thread.run(close)

    def _step(self) -> bytes | None:
        for item in self._items:
            return event(item)
        return None


class LoopPieces:
    """Pieces of an async generator; each step runs on the event loop."""

    def __init__(self, items: AsyncIterator[Any]) -> None:
        self._items = items

    async def next(self) -> bytes | None:
        """The next event, or None after the last."""
        async for item in self._items:
            return event(item)
        return None

    async def close(self) -> None:
        """Run the generator's clean-up."""
        if inspect.isasyncgen(self._items):
            await self._items.aclose()


def event(item: object) -> bytes:
    """One piece as an event; `[DONE]` inside a text is escaped, for clients that look for it."""
    text = to_json(item).replace("[DONE]", r"\u005bDONE]")
    return f"data: {text}\n\n".encode()


async def send_stream(first: bytes | None, pieces: Pieces, receive: Receive, send: Send) -> None:
    """Send `first` and all further pieces; stops early when the client has gone."""
    async with asyncio.TaskGroup() as group:
        gone = group.create_task(_client_gone(receive))
        await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
        try:
            await _send_pieces(first, pieces, gone, send)
        except Exception:
            # Returning without the end of the body makes the server close the connection.
            log.exception("the stream broke off")
        finally:
            gone.cancel()


async def _send_pieces(first: bytes | None, pieces: Pieces, gone: asyncio.Task[None], send: Send) -> None:
    piece = first
    while piece is not None:
        await send({"type": "http.response.body", "body": piece, "more_body": True})
        if gone.done():
            return
        piece = await pieces.next()
    await send({"type": "http.response.body", "body": DONE, "more_body": False})


async def _client_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
