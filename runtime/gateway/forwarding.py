"""`/v1` passed on to the platform API, where it is a program of its own: requests and answers as they come.

Nothing of a connection is passed on, only what is of the request. The gateway says by which port it came; what
a client says of that is dropped.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus

import aiohttp
import structlog
from multidict import CIMultiDict
from starlette.types import Receive, Scope, Send
from yarl import URL

from runtime.gateway.errors import ApiAwayError, GatewayError, GatewayFullError
from runtime.gateway.incoming import INGRESS, Incoming, RawHeaders, read_incoming
from runtime.gateway.respond import error_body, send_json
from runtime.gateway.visible import Ingress
from runtime.wire.headers import HOP_BY_HOP

MOST_FORWARDED = 512
"""Requests under way to the API at one time; each follower of events is one."""
CONNECT_SECONDS = 3.0
HEAD_SECONDS = 30.0
"""Longest wait for the head of an answer; the API's own waits are far shorter."""
SILENCE_SECONDS = 60.0
"""Longest silence within an answer; followers of events hear something every 15 s."""
IDLE_SECONDS = 15.0
"""How long a connection to the API is kept idle: far shorter than the API keeps it."""
RETRY_SECONDS = 2.0
"""Retry-After while the API is away: its next pod takes about that long."""
MOST_HEAD_BYTES = 256 * 1024
"""Largest header of an answer: a stored one has the model's."""

_EVENTS = b"text/event-stream"
_SKIPPED = frozenset({"Accept", "Accept-Encoding", "User-Agent", "Content-Type"})
_DROPPED = frozenset(name.encode() for name in HOP_BY_HOP)


class ClientGoneError(Exception):
    """The client left in the middle of its body."""


@dataclass(slots=True)
class Inbound:
    """The client's side of one request: its body, then its going."""

    receive: Receive
    is_read: asyncio.Event = field(default_factory=asyncio.Event)
    is_gone: bool = False

    async def body(self) -> AsyncIterator[bytes]:
        """The body as it comes.

        Raises:
            ClientGoneError: it breaks off.
        """
        more = True
        while more:
            message = await self.receive()
            if message["type"] == "http.disconnect":
                self.is_gone = True
                raise ClientGoneError
            yield message.get("body", b"")
            more = message.get("more_body", False)
        self.is_read.set()

    async def until_gone(self) -> None:
        """Return when the client has left; its body must have been read before."""
        await self.is_read.wait()
        while (await self.receive())["type"] != "http.disconnect":
            pass
        self.is_gone = True


@dataclass(slots=True)
class Outbound:
    """The answer's way to the client."""

    send: Send
    has_begun: bool = False
    ending: asyncio.Timeout | None = None
    """Ends a stream that has no end of its own; None of any other answer."""

    def end_stream(self) -> None:
        """Let a stream end now, as if the API had ended it."""
        if self.ending is not None and not self.ending.expired():
            self.ending.reschedule(asyncio.get_running_loop().time())


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request on its way to the API and back."""

    incoming: Incoming
    ingress: Ingress
    target: URL
    inbound: Inbound
    outbound: Outbound

    @property
    def body(self) -> AsyncIterator[bytes] | None:
        """What to send; None where no body was announced."""
        return self.inbound.body() if self.incoming.is_framed else None


class Forwarding:
    """Passes requests on to one address."""

    def __init__(
        self, session: aiohttp.ClientSession, url: str, log: structlog.typing.FilteringBoundLogger
    ) -> None:
        self._session = session
        self._url = url
        self._log = log
        self._under_way = 0

    async def forward(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        *,
        path: bytes,
        ingress: Ingress,
        leaving: asyncio.Event,
    ) -> None:
        """Serve one request; returning with an answer begun but not complete breaks its connection off.

        Args:
            scope: the request's.
            receive: its body, and its client's going.
            send: takes the answer.
            path: what to ask the API for, percent-encoded.
            ingress: by which port it came.
            leaving: set when this gateway stops: streams without an end of their own end then.
        """
        incoming = read_incoming(scope)
        exchange = Exchange(incoming, ingress, self._target(path, incoming), Inbound(receive), Outbound(send))
        try:
            with self._seat():
                error = await self._run_while_wanted(exchange, leaving)
        except GatewayFullError as full:
            error = full
        if error is not None and not exchange.outbound.has_begun and not exchange.inbound.is_gone:
            await send_json(send, error.status, error_body(error, None), error.headers)

    async def _run_while_wanted(self, exchange: Exchange, leaving: asyncio.Event) -> GatewayError | None:
        """Run the exchange, and give it up when its client leaves; the error to answer with where it failed."""
        if not exchange.incoming.is_framed:
            exchange.inbound.is_read.set()

        async def until_gone() -> None:
            await exchange.inbound.until_gone()
            running.cancel()

        async def until_leaving() -> None:
            await leaving.wait()
            exchange.outbound.end_stream()

        async with asyncio.TaskGroup() as group:
            running = group.create_task(self._run(exchange))
            watches = [group.create_task(until_gone()), group.create_task(until_leaving())]
            running.add_done_callback(lambda _: [watch.cancel() for watch in watches])
        return None if running.cancelled() else running.result()

    async def _run(self, exchange: Exchange) -> GatewayError | None:
        try:
            async with self._answer(exchange) as answer:
                await _pass_on(answer, exchange.outbound)
        except (aiohttp.ClientError, TimeoutError, OSError, ClientGoneError) as exc:
            if not exchange.inbound.is_gone:
                self._log.warning("platform API failed", fault=type(exc).__name__)
            return ApiAwayError("The platform API cannot be reached.", retry_after=RETRY_SECONDS)
        return None

    @asynccontextmanager
    async def _answer(self, exchange: Exchange) -> AsyncIterator[aiohttp.ClientResponse]:
        """The API's answer, its body still to be read."""
        async with asyncio.timeout(HEAD_SECONDS):
            answer = await self._session.request(
                exchange.incoming.method,
                exchange.target,
                headers=_headers(exchange.incoming, exchange.ingress),
                data=exchange.body,
                allow_redirects=False,
            )
        async with answer:
            yield answer

    def _target(self, path: bytes, incoming: Incoming) -> URL:
        query = b"?" + incoming.query if incoming.query else b""
        return URL(self._url + (path + query).decode("latin-1"), encoded=True)

    @contextmanager
    def _seat(self) -> Iterator[None]:
        if self._under_way >= MOST_FORWARDED:
            raise GatewayFullError(
                f"{MOST_FORWARDED} requests to the platform API are under way at this gateway.",
                retry_after=RETRY_SECONDS,
            )
        self._under_way += 1
        try:
            yield
        finally:
            self._under_way -= 1


@asynccontextmanager
async def open_forwarding(url: str, log: structlog.typing.FilteringBoundLogger) -> AsyncIterator[Forwarding]:
    """Forwarding to the API at an address, while the block runs."""
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=MOST_FORWARDED, keepalive_timeout=IDLE_SECONDS),
        timeout=aiohttp.ClientTimeout(
            total=None, connect=CONNECT_SECONDS, sock_connect=CONNECT_SECONDS, sock_read=SILENCE_SECONDS
        ),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        skip_auto_headers=_SKIPPED,
        max_line_size=MOST_HEAD_BYTES,
        max_field_size=MOST_HEAD_BYTES,
    ) as session:
        yield Forwarding(session, url, log)


async def _pass_on(answer: aiohttp.ClientResponse, outbound: Outbound) -> None:
    headers = _answer_headers(answer)
    outbound.has_begun = True
    await outbound.send({"type": "http.response.start", "status": answer.status, "headers": headers})
    is_stream = answer.status == HTTPStatus.OK and dict(headers).get(b"content-type", b"").startswith(_EVENTS)
    try:
        async with asyncio.timeout(None) as ending:
            outbound.ending = ending if is_stream else None
            async for chunk in answer.content.iter_any():
                await outbound.send({"type": "http.response.body", "body": chunk, "more_body": True})
    except TimeoutError:
        if not ending.expired():
            raise
    await outbound.send({"type": "http.response.body"})


def _headers(incoming: Incoming, ingress: Ingress) -> CIMultiDict[str]:
    """What of the request's head the API sees; its host is that of the API."""
    headers = CIMultiDict(
        (name.decode("latin-1"), value.decode("utf-8", "replace"))
        for name, value in incoming.passed_on
        if name != b"host"
    )
    if incoming.content_length is not None:
        headers["content-length"] = str(incoming.content_length)
    headers[INGRESS] = ingress
    return headers


def _answer_headers(answer: aiohttp.ClientResponse) -> RawHeaders:
    """What of the answer's head the client sees."""
    pairs = [(name.lower(), value) for name, value in answer.raw_headers]
    named = {
        token.strip().lower() for name, value in pairs if name == b"connection" for token in value.split(b",")
    }
    return [pair for pair in pairs if pair[0] not in _DROPPED | named]
