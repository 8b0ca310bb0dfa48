"""The model as its worker sees it: an HTTP server on loopback."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import ClientError, ClientResponse, ClientSession, ClientTimeout, hdrs
from multidict import CIMultiDict
from yarl import URL

from runtime.wire import AnswerHead, Headers, RequestHead
from runtime.wire.headers import HOP_BY_HOP, REQUEST_ID

HEALTH_SECONDS = 2.0
"""Longest wait for the health path, in seconds."""
_NOT_REPLAYED = HOP_BY_HOP | {"host", "content-length", "expect"}
_AUTOMATIC = (hdrs.USER_AGENT, hdrs.ACCEPT, hdrs.ACCEPT_ENCODING, hdrs.CONTENT_TYPE)


class ModelDiedError(Exception):
    """The connection to the model broke while a request was in its hands."""


class Model:
    """One model server at a base URL."""

    def __init__(self, session: ClientSession, url: str, health: str) -> None:
        self._session = session
        self._url = url
        self._health = URL(url + health, encoded=True)

    async def check(self) -> str | None:
        """None when the health path answers 200, else why it does not count as up."""
        try:
            async with self._session.get(
                self._health, timeout=ClientTimeout(total=HEALTH_SECONDS)
            ) as response:
                return None if response.status == 200 else f"{self._health.path} answers {response.status}"  # noqa: PLR2004
        except TimeoutError:
            return f"{self._health.path} does not answer within {HEALTH_SECONDS:g} s"
        except (ClientError, OSError) as exc:
            return f"{self._health.path} cannot be reached: {type(exc).__name__}"

    @asynccontextmanager
    async def replay(
        self, request_id: str, head: RequestHead, body: bytes | AsyncIterator[bytes], size: int
    ) -> AsyncIterator[ClientResponse]:
        """The model's response to a request with a body of `size` bytes; the response's body is still unread.

        Raises:
            ModelDiedError: it cannot be reached, or broke the connection off before its head.
        """
        headers = CIMultiDict((name, value) for name, value in head.headers if name not in _NOT_REPLAYED)
        headers[REQUEST_ID] = request_id
        if size:
            headers[hdrs.CONTENT_LENGTH] = str(size)
        try:
            response = await self._session.request(
                head.method,
                URL(self._url + head.target, encoded=True),
                data=body or None,
                headers=headers,
                skip_auto_headers=_AUTOMATIC,
                allow_redirects=False,
            )
        except (ClientError, OSError) as exc:
            raise ModelDiedError(f"{type(exc).__name__}") from exc
        async with response:
            yield response


def answer_head(response: ClientResponse) -> AnswerHead:
    """Status and headers of a response, without those of its connection."""
    dropped = HOP_BY_HOP | {
        name.strip().lower() for name in response.headers.get(hdrs.CONNECTION, "").split(",")
    }
    return AnswerHead(response.status, _kept(response, dropped))


class AnswerBody:
    """A response's body, for readers one after another: whoever stops reading leaves the rest to the next."""

    def __init__(self, response: ClientResponse) -> None:
        self._content = response.content
        self._one_reader = asyncio.Lock()
        self.error: ModelDiedError | None = None
        """How the model died in the middle of it."""

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body, from where the last reader stopped, as it comes.

        Raises:
            ModelDiedError: the connection broke before the body's end.
        """
        while chunk := await self._next_chunk():
            yield chunk

    async def _next_chunk(self) -> bytes:
        async with self._one_reader:
            try:
                return await self._content.readany()
            except (ClientError, OSError) as exc:
                self.error = ModelDiedError(f"{type(exc).__name__} in the middle of its answer")
                raise self.error from exc


def _kept(response: ClientResponse, dropped: frozenset[str] | set[str]) -> Headers:
    pairs = (
        (name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in response.raw_headers
    )
    return tuple((name, value) for name, value in pairs if name not in dropped)
