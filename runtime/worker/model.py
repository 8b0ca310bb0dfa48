"""The model as its worker sees it: an HTTP server on loopback."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from runtime.wire import AnswerHead, RequestHead
from runtime.wire.headers import HOP_BY_HOP, REQUEST_ID
from runtime.worker.http1 import Address, Connection, Connections, HttpFaultError, NotConnectedError, Request

HEALTH_SECONDS = 2.0
"""Longest wait for the health path, in seconds."""
_OK = 200
_NOT_REPLAYED = HOP_BY_HOP | {"host", "content-length", "expect", REQUEST_ID}


class ModelDiedError(Exception):
    """The connection to the model broke while a request was in its hands."""


class ModelAwayError(ModelDiedError):
    """The model was not there when a request came for it: the request is not to blame."""


class Model:
    """One model server at an address."""

    def __init__(self, connections: Connections, address: Address, health: str) -> None:
        self._connections = connections
        self._address = address
        self._health = health

    async def check(self) -> str | None:
        """None when the health path answers 200, else why it does not count as up."""
        try:
            async with asyncio.timeout(HEALTH_SECONDS):
                return await self._check()
        except TimeoutError:
            return f"{self._health} does not answer within {HEALTH_SECONDS:g} s"
        except HttpFaultError as exc:
            return f"{self._health}: {exc}"

    @asynccontextmanager
    async def replay(
        self, request_id: str, head: RequestHead, body: bytes | AsyncIterator[bytes], size: int
    ) -> AsyncIterator[Connection]:
        """The model's response to a request with a body of `size` bytes; the response's body is still unread.

        Raises:
            ModelAwayError: it cannot be reached.
            ModelDiedError: it broke the connection off before its head.
        """
        headers = [pair for pair in head.headers if pair[0] not in _NOT_REPLAYED]
        headers.append((REQUEST_ID, request_id))
        call = self._connections.request(
            self._address, Request(head.method, head.target, headers, body, size)
        )
        try:
            response = await call.__aenter__()
        except NotConnectedError as exc:
            raise ModelAwayError(str(exc)) from exc
        except HttpFaultError as exc:
            raise ModelDiedError(str(exc)) from exc
        try:
            yield response
        finally:
            await call.__aexit__(None, None, None)

    async def _check(self) -> str | None:
        async with self._connections.request(self._address, Request("GET", self._health, ())) as response:
            async for _ in response.chunks():
                pass
            return None if response.status == _OK else f"{self._health} answers {response.status}"


def answer_head(response: Connection) -> AnswerHead:
    """Status and headers of a response, without those of its connection."""
    dropped: set[str] | frozenset[str] = HOP_BY_HOP
    for name, value in response.headers:
        if name == "connection":
            dropped = dropped | {token.strip().lower() for token in value.split(",")}
    return AnswerHead(response.status, tuple(pair for pair in response.headers if pair[0] not in dropped))


async def read_chunks(response: Connection) -> AsyncIterator[bytes]:
    """The response's body as it comes.

    Raises:
        ModelDiedError: the connection broke before the body's end.
    """
    try:
        async for chunk in response.chunks():
            yield chunk
    except HttpFaultError as exc:
        raise ModelDiedError(f"in the middle of its answer: {exc}") from exc
