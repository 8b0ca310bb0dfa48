"""The worker's HTTP client against servers of a few lines, good and bad."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from runtime.worker.http1 import READ_BYTES, Connection, Connections, HttpFaultError, Request

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Server:
    """Counts connections and keeps what it was sent."""

    def __init__(self, serve: Serve) -> None:
        self.connections = 0
        self._serve = serve
        self.address = ("127.0.0.1", 0)

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        self.connections += 1
        try:
            await self._serve(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()


@asynccontextmanager
async def serving(serve: Serve) -> AsyncIterator[Server]:
    """A server on loopback."""
    made = Server(serve)
    listener = await asyncio.start_server(made.handle, "127.0.0.1", 0)
    made.address = listener.sockets[0].getsockname()[:2]
    try:
        yield made
    finally:
        listener.close()


def answering(*pieces: bytes) -> Serve:
    """Answers every request with these bytes."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await read_request(reader):
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
            if not pieces[0].lower().count(b"content-length") and b"chunked" not in pieces[0]:
                return

    return serve


async def read_request(reader: asyncio.StreamReader) -> bytes:
    """A head and its body by length; empty at the connection's end."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return b""
    for line in head.split(b"\r\n"):
        if line.lower().startswith(b"content-length:"):
            head += await reader.readexactly(int(line.partition(b":")[2]))
    return head


@pytest.fixture
async def connections() -> AsyncIterator[Connections]:
    """The client."""
    made = Connections(asyncio.get_running_loop().time)
    yield made
    made.close()


async def body_of(response: Connection) -> bytes:
    """All of a response's body."""
    return b"".join([chunk async for chunk in response.chunks()])


async def test_response_by_length_keeps_its_connection(connections: Connections) -> None:
    """The second request goes over the first one's."""
    async with serving(
        answering(b"HTTP/1.1 200 OK\r\nX-A: 1\r\nx-a: 2\r\nContent-Length: 2\r\n\r\nok")
    ) as server:
        for _ in range(3):
            async with connections.request(server.address, Request("GET", "/", ())) as response:
                assert await body_of(response) == b"ok"
                assert response.headers[:2] == [("x-a", "1"), ("x-a", "2")]

    assert server.connections == 1


async def test_response_in_chunks_arrives_as_it_comes(connections: Connections) -> None:
    """Without its framing."""
    pieces = (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"3\r\nabc\r\n",
        b"2\r\nde\r\n0\r\n\r\n",
    )
    async with (
        serving(answering(*pieces)) as server,
        connections.request(server.address, Request("GET", "/", ())) as response,
    ):
        assert await body_of(response) == b"abcde"


async def test_response_to_the_end_of_its_connection_is_whole(connections: Connections) -> None:
    """HTTP/1.0 models answer so."""
    async with (
        serving(answering(b"HTTP/1.0 200 OK\r\n\r\nall of it")) as server,
        connections.request(server.address, Request("GET", "/", ())) as response,
    ):
        assert await body_of(response) == b"all of it"


async def test_body_that_ends_early_is_a_fault(connections: Connections) -> None:
    """Half an answer is never taken for one."""

    async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")

    async with (
        serving(cut) as server,
        connections.request(server.address, Request("GET", "/", ())) as response,
    ):
        with pytest.raises(HttpFaultError):
            await body_of(response)


@pytest.mark.parametrize("garbage", [b"", b"SSH-2.0\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Le"])
async def test_server_that_speaks_no_http_is_a_fault(connections: Connections, garbage: bytes) -> None:
    """Named as such, not an error of ours."""

    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(garbage)

    async with serving(babble) as server:
        with pytest.raises(HttpFaultError):
            async with connections.request(server.address, Request("GET", "/", ())):
                pass


async def test_nobody_there_is_a_fault(connections: Connections) -> None:
    """At once."""
    async with serving(answering(b"")) as server:
        pass

    with pytest.raises(HttpFaultError):
        async with connections.request(server.address, Request("GET", "/", ())):
            pass


async def test_head_response_has_no_body(connections: Connections) -> None:
    """Though it says how long it would be."""
    async with (
        serving(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n")) as server,
        connections.request(server.address, Request("HEAD", "/", ())) as response,
    ):
        assert (response.content_length, await body_of(response)) == (10, b"")


async def test_continue_is_passed_over(connections: Connections) -> None:
    """The final response counts."""
    pieces = (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 1\r\n\r\nx",)
    async with (
        serving(answering(*pieces)) as server,
        connections.request(server.address, Request("POST", "/", (), b"body")) as response,
    ):
        assert (response.status, await body_of(response)) == (201, b"x")


async def test_body_of_unknown_length_is_sent_in_chunks(connections: Connections) -> None:
    """And ended."""
    sent = bytearray()

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        sent.extend(await reader.readuntil(b"0\r\n\r\n"))
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")

    async def body() -> AsyncIterator[bytes]:
        yield b"abc"
        yield b""
        yield b"de"

    async with (
        serving(listen) as server,
        connections.request(server.address, Request("POST", "/", (), body())) as response,
    ):
        assert response.status == 204
    assert sent.endswith(b"\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")


async def test_server_that_wants_no_more_is_heard(connections: Connections) -> None:
    """A gateway whose client has gone answers before the body's end."""
    refused = asyncio.Event()

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        refused.set()
        await reader.read()

    async def endless() -> AsyncIterator[bytes]:
        yield b"x"
        await refused.wait()
        while True:
            await asyncio.sleep(0)
            yield b"x"

    async with (
        serving(refuse) as server,
        connections.request(server.address, Request("POST", "/", (), endless())) as response,
    ):
        assert response.status == 410


async def test_connection_of_a_request_that_was_not_sent_whole_is_not_used_again(
    connections: Connections,
) -> None:
    """Its server would read the next request as the rest of this one's body."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 409 Conflict\r\ncontent-length: 0\r\n\r\n")
        await reader.read()

    async def without_end() -> AsyncIterator[bytes]:
        while True:
            yield b"more"
            await asyncio.sleep(0)

    async with serving(serve) as server:
        for _ in range(2):
            async with connections.request(
                server.address, Request("POST", "/", (), without_end())
            ) as response:
                assert await body_of(response) == b""

        assert server.connections == 2


async def test_body_that_fails_is_seen_to_be_cut(connections: Connections) -> None:
    """The server's connection ends without the last chunk."""
    sent = bytearray()
    ended = asyncio.Event()

    async def listen(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        try:
            while chunk := await reader.read(1000):
                sent.extend(chunk)
        finally:
            ended.set()

    async def failing() -> AsyncIterator[bytes]:
        yield b"half"
        await asyncio.sleep(0.01)
        raise RuntimeError("the model died")

    async with serving(listen) as server:
        with pytest.raises(RuntimeError):
            async with connections.request(server.address, Request("POST", "/", (), failing())):
                pass
        await ended.wait()

    assert not sent.endswith(b"0\r\n\r\n")


async def test_large_response_that_nobody_reads_holds_its_server_up(connections: Connections) -> None:
    """Memory stays bounded."""
    written = 0

    async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal written
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (200 * READ_BYTES))
        for _ in range(200):
            writer.write(b"x" * READ_BYTES)
            await writer.drain()
            written += 1

    async with (
        serving(pour) as server,
        connections.request(server.address, Request("GET", "/", ())) as response,
    ):
        await asyncio.sleep(0.2)
        assert written < 100
        assert len(await body_of(response)) == 200 * READ_BYTES


@pytest.mark.parametrize("part", ["target", "header"])
async def test_line_break_in_a_head_is_refused(connections: Connections, part: str) -> None:
    """A request cannot smuggle another one in."""
    evil = "x\r\nevil: 1"
    request = Request("GET", f"/{evil}", ()) if part == "target" else Request("GET", "/", (("a", evil),))

    async with serving(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")) as server:
        with pytest.raises(ValueError, match="line break"):
            async with connections.request(server.address, request):
                pass
