"""HTTP/1.1 to two known servers, the model and the gateway's inner port, over kept connections.

llhttp (httptools) parses; framing is written anew for each request, never passed on. A general client costs
about three times the CPU a call: docs/adr/0004.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import cast

import httptools

READ_BYTES = 256 * 1024
"""Received and unread bytes of one response at which its server is held up."""
KEPT_CONNECTIONS = 4
"""Idle connections that are kept to one server."""
KEPT_SECONDS = 1.0
"""How long an idle one is used again: less than any server's own limit, so that none is closed under us."""
CONNECT_SECONDS = 2.0
_FIRST_FINAL = 200
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
"""Methods whose empty body is said to be empty."""


class HttpFaultError(Exception):
    """The server cannot be reached, broke off, or does not speak HTTP."""


class NotConnectedError(HttpFaultError):
    """Nobody listens there: nothing was sent."""


Address = tuple[str, int]
"""Host and port."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is sent: a body is bytes, or chunks of `size` bytes in all (None: not known)."""

    method: str
    target: str
    headers: Iterable[tuple[str, str]]
    body: bytes | AsyncIterator[bytes] = b""
    size: int | None = None

    @property
    def is_chunked(self) -> bool:
        """Whether its length is not known before its end."""
        return self.size is None and not isinstance(self.body, bytes)

    def head(self, host: str) -> bytes:
        """The request's head, framed by us.

        Raises:
            ValueError: a part of it would end its line.
        """
        lines = [f"{self.method} {self.target} HTTP/1.1", f"host: {host}"]
        lines += [f"{name}: {value}" for name, value in self.headers]
        lines += self._framing()
        text = "\r\n".join(lines)
        if text.count("\n") != len(lines) - 1 or text.count("\r") != len(lines) - 1:
            raise ValueError("a line break in a request's head")
        return f"{text}\r\n\r\n".encode("latin-1")

    def _framing(self) -> list[str]:
        if self.is_chunked:
            return ["transfer-encoding: chunked"]
        length = len(self.body) if isinstance(self.body, bytes) else self.size
        return [f"content-length: {length}"] if length or self.method in _WITH_BODY else []


class Connection(asyncio.Protocol):
    """One connection, one call at a time; what has arrived of its response can be read while more comes."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: list[tuple[str, str]] = []
        """Of the response, names in lower case."""
        self.content_length: int | None = None
        self.is_whole = True
        """The response has arrived to its end."""
        self.is_reusable = False
        """Both the response and what was sent for it are whole, and the server keeps the connection."""
        self.idle_since = 0.0
        self._has_head = False
        self._is_cut_short = False
        """The server answered before it had all of the request: what is sent next would count as the rest."""
        self._is_head_only = False
        self._ends_with_connection = False
        self._fault: str | None = None
        self._received: list[bytes] = []
        self._size = 0
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._host = ""
        self._moved: asyncio.Future[None] | None = None
        self._is_choked = False
        self._is_held = False

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connected."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one without saying so
        host, port = transport.get_extra_info("peername")[:2]
        self._host = f"{host}:{port}"

    def data_received(self, data: bytes) -> None:
        """Bytes of a response."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as exc:
            self._break(f"not HTTP: {type(exc).__name__}")

    def connection_lost(self, exc: Exception | None) -> None:
        """The end, of the response too where it has no other."""
        if self._has_head and self._ends_with_connection and exc is None:
            self.is_whole = True
        self._fault = self._fault or "the connection was closed"
        self.is_reusable = False
        self._wake()

    def pause_writing(self) -> None:
        """The server reads slowly."""
        self._is_choked = True

    def resume_writing(self) -> None:
        """It has caught up."""
        self._is_choked = False
        self._wake()

    # What the parser calls.

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header."""
        self.headers.append((name.decode("latin-1").lower(), value.decode("latin-1")))

    def on_headers_complete(self) -> None:
        """The head has arrived."""
        self.status = self._parser.get_status_code()
        if self.status < _FIRST_FINAL:
            self.headers.clear()
            return
        self._note_framing()
        self._has_head = True
        self._wake()

    def on_body(self, data: bytes) -> None:
        """A piece of the body."""
        self._received.append(data)
        self._size += len(data)
        if self._size > READ_BYTES and self._transport is not None:
            self._transport.pause_reading()
            self._is_held = True
        self._wake()

    def on_message_complete(self) -> None:
        """The body has arrived, by its length or its last chunk."""
        if self._has_head:
            self.is_whole = True
            keeps = self._parser.should_keep_alive() and not self._is_head_only
            self.is_reusable = keeps and not self._is_cut_short
            self._wake()

    # What a call does.

    async def call(self, request: Request) -> None:
        """Send a request and wait for the head of its response.

        Raises:
            HttpFaultError: the server broke off.
        """
        self._begin(is_head_only=request.method == "HEAD")
        head = request.head(self._host)
        if isinstance(request.body, bytes):
            self._write(head + request.body)
        else:
            self._write(head)
            await self._upload(request.body, is_chunked=request.is_chunked)
        while not self._has_head:
            await self._wait()

    async def read_chunk(self) -> bytes:
        """What has arrived of the body; empty at its end.

        Raises:
            HttpFaultError: it ends early.
        """
        while not self._received:
            if self.is_whole:
                return b""
            await self._wait()
        chunk = self._received[0] if len(self._received) == 1 else b"".join(self._received)
        self._received.clear()
        self._size = 0
        if self._is_held and self._transport is not None:
            self._is_held = False
            self._transport.resume_reading()
        return chunk

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body as it comes; raises as `read_chunk` does."""
        while chunk := await self.read_chunk():
            yield chunk

    def close(self) -> None:
        """Break the connection off."""
        self.is_reusable = False
        if self._transport is not None:
            self._transport.abort()

    def _begin(self, *, is_head_only: bool) -> None:
        self.headers = []
        self.content_length = None
        self.is_whole = self.is_reusable = self._has_head = self._ends_with_connection = False
        self._is_cut_short = False
        self._is_head_only = is_head_only

    async def _upload(self, body: AsyncIterator[bytes], *, is_chunked: bool) -> None:
        """Send a body until its end, or until the server has answered without wanting the rest."""
        try:
            async for chunk in body:
                if self._has_head:
                    self._is_cut_short, self.is_reusable = True, False
                    return
                if chunk:
                    self._write(b"%x\r\n%b\r\n" % (len(chunk), chunk) if is_chunked else chunk)
                while self._is_choked and not self._has_head:
                    await self._wait()
        except BaseException:
            # What was sent is not the whole: the server must see that.
            self.close()
            raise
        if is_chunked:
            self._write(b"0\r\n\r\n")

    def _write(self, data: bytes) -> None:
        if self._fault is not None or self._transport is None:
            raise HttpFaultError(self._fault or "not connected")
        self._transport.write(data)

    def _note_framing(self) -> None:
        names = dict(self.headers)
        length = names.get("content-length", "")
        self.content_length = int(length) if length.isdigit() else None
        if self._is_head_only:
            self.is_whole = True
        self._ends_with_connection = self.content_length is None and "transfer-encoding" not in names

    def _break(self, fault: str) -> None:
        self._fault = fault
        self.close()
        self._wake()

    async def _wait(self) -> None:
        """Return when something has moved.

        Raises:
            HttpFaultError: the connection is gone.
        """
        if self._fault is not None:
            raise HttpFaultError(self._fault)
        self._moved = asyncio.get_running_loop().create_future()
        await self._moved

    def _wake(self) -> None:
        if self._moved is not None and not self._moved.done():
            self._moved.set_result(None)


class Call:
    """`async with` one request: inside, a connection with the head of its response; kept or closed behind it."""

    def __init__(self, pool: "Connections", address: Address, request: Request) -> None:
        self._pool = pool
        self._address = address
        self._request = request
        self._connection: Connection | None = None

    async def __aenter__(self) -> Connection:
        connection = self._connection = await self._pool.take(self._address)
        try:
            await connection.call(self._request)
        except BaseException:
            connection.close()
            raise
        return connection

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._connection is not None:
            self._pool.give_back(self._address, self._connection)


class Connections:
    """Kept connections to servers, by address."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._idle: dict[Address, list[Connection]] = {}

    def request(self, address: Address, request: Request) -> Call:
        """A call to be entered with `async with`, which raises HttpFaultError where the server is not there."""
        return Call(self, address, request)

    async def take(self, address: Address) -> Connection:
        """An idle connection, or a new one.

        Raises:
            HttpFaultError: nobody listens there.
        """
        idle = self._idle.get(address, [])
        while idle:
            connection = idle.pop()
            if connection.is_reusable and self._clock() - connection.idle_since < KEPT_SECONDS:
                return connection
            connection.close()
        return await _connect(address)

    def give_back(self, address: Address, connection: Connection) -> None:
        """Keep a connection whose response has arrived whole; close any other."""
        idle = self._idle.setdefault(address, [])
        if connection.is_reusable and len(idle) < KEPT_CONNECTIONS:
            connection.idle_since = self._clock()
            idle.append(connection)
        else:
            connection.close()
            if not idle:
                del self._idle[address]

    def close(self) -> None:
        """Close what is kept."""
        for idle in self._idle.values():
            for connection in idle:
                connection.close()
        self._idle.clear()


async def _connect(address: Address) -> Connection:
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            _, connection = await loop.create_connection(Connection, *address)
    except TimeoutError as exc:
        raise NotConnectedError(f"no connection within {CONNECT_SECONDS:g} s") from exc
    except OSError as exc:
        raise NotConnectedError(f"no connection: {type(exc).__name__}") from exc
    return connection
