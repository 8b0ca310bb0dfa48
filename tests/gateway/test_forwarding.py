"""`/v1` passed on: what reaches the API, what comes back, and what happens when either end goes."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import structlog
from starlette.types import Receive, Scope, Send
from support.gateway_stage import Stage, gateway_stage, served, until
from support.ports import free_port

from runtime.gateway import forwarding
from runtime.gateway.forwarding import open_forwarding

Answer = Callable[["Upstream", Scope, Receive, Send], Awaitable[None]]
MIB = 1024 * 1024
PIECES = 160
"""More than the buffers of sockets hold."""


async def say_ok(_upstream: "Upstream", _scope: Scope, receive: Receive, send: Send) -> None:
    """Read the body and answer in short."""
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


@dataclass
class Upstream:
    """An API that answers as the test says, and notes what it is asked."""

    answer: Answer = say_ok
    asked: list[Scope] = field(default_factory=list)
    go_on: asyncio.Event = field(default_factory=asyncio.Event)
    is_left: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        self.asked.append(scope)
        await self.answer(self, scope, receive, send)

    def headers(self) -> dict[str, str]:
        """Those of the last request."""
        return {name.decode(): value.decode() for name, value in self.asked[-1]["headers"]}


@pytest.fixture
def upstream() -> Upstream:
    """An API."""
    return Upstream()


@pytest.fixture
async def stage(tmp_path: Path, upstream: Upstream) -> AsyncIterator[Stage]:
    """A gateway that passes `/v1` on to it."""
    async with (
        served(upstream) as port,
        open_forwarding(f"http://127.0.0.1:{port}", structlog.get_logger()) as passing,
        gateway_stage(tmp_path, forwarding=passing) as stage,
    ):
        yield stage


async def test_request_reaches_the_api_as_it_was(stage: Stage, upstream: Upstream) -> None:
    """Method, path and query percent-encoded, body, headers of the request."""
    answer = await stage.client.request(
        "PATCH",
        "/v1/things/a%2Fb?q=1%202&q=3",
        content=b"body",
        headers={"x-own": "a", "authorization": "Bearer t"},
    )

    scope, headers = upstream.asked[0], upstream.headers()
    assert (answer.status_code, answer.content) == (200, b"ok")
    assert (scope["method"], scope["raw_path"], scope["query_string"]) == (
        "PATCH",
        b"/v1/things/a%2Fb",
        b"q=1%202&q=3",
    )
    assert (headers["x-own"], headers["authorization"], headers["content-length"]) == ("a", "Bearer t", "4")


async def test_nothing_of_the_connection_is_passed_on(stage: Stage, upstream: Upstream) -> None:
    """Neither what HTTP names so, nor what the client does."""
    connection = await stage.connect()
    connection.write(
        b"GET /v1/x HTTP/1.1\r\nhost: api.example\r\nconnection: close, x-mine\r\nx-mine: 1\r\nkeep-alive: 5\r\n"
        b"te: trailers\r\nproxy-authorization: Basic x\r\nupgrade: h2c\r\n\r\n"
    )
    await connection.read_rest()

    headers = upstream.headers()
    assert not {"x-mine", "keep-alive", "te", "proxy-authorization", "upgrade", "connection"} & set(headers)
    assert headers["x-forwarded-host"] == "api.example"


@pytest.mark.parametrize("said", ["all", "public", "other"])
async def test_gateway_says_by_which_port_a_request_came(stage: Stage, upstream: Upstream, said: str) -> None:
    """Whatever its client says of that, in whatever case and how often."""
    for port, expected in ((stage.port, b"all"), (stage.public_port, b"public")):
        connection = await stage.connect(port)
        connection.write(
            f"GET /v1/x HTTP/1.1\r\nhost: x\r\nmoorage-ingress: {said}\r\nMOORAGE-INGRESS: all\r\n"
            "connection: close, moorage-ingress\r\n\r\n".encode()
        )
        await connection.read_rest()

        found = [value for name, value in upstream.asked[-1]["headers"] if name == b"moorage-ingress"]
        assert found == [expected]


async def test_doubled_slashes_count_as_one(stage: Stage, upstream: Upstream) -> None:
    """One of the original clients sends them."""
    connection = await stage.connect()
    connection.write(b"GET //v1//requests/x HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
    await connection.read_rest()

    assert upstream.asked[0]["raw_path"] == b"/v1/requests/x"


@pytest.mark.parametrize("path", ["/healthz", "/v2/x", "/v1x", "/other"])
async def test_only_the_api_is_passed_on(stage: Stage, upstream: Upstream, path: str) -> None:
    """The rest is the gateway's own."""
    await stage.client.get(path)

    assert upstream.asked == []


async def test_answer_comes_back_as_it_was(stage: Stage, upstream: Upstream) -> None:
    """Status, repeated headers, compressed bytes as they are; nothing of the connection."""

    async def answer(_upstream: Upstream, _scope: Scope, _receive: Receive, send: Send) -> None:
        headers = [
            (b"x-two", b"a"),
            (b"x-two", b"b"),
            (b"content-encoding", b"gzip"),
            (b"keep-alive", b"timeout=5"),
            (b"location", b"/elsewhere"),
        ]
        await send({"type": "http.response.start", "status": 307, "headers": headers})
        await send({"type": "http.response.body", "body": b"\x1f\x8b no gzip"})

    upstream.answer = answer
    connection = await stage.connect()
    connection.write(b"GET /v1/x HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
    told = await connection.read_rest()

    head, _, body = told.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 307 ")
    assert [line for line in head.split(b"\r\n") if line.startswith(b"x-two")] == [b"x-two: a", b"x-two: b"]
    assert b"keep-alive" not in head
    assert b"\x1f\x8b no gzip" in body


async def test_body_is_passed_on_as_it_comes(stage: Stage, upstream: Upstream) -> None:
    """The API sees its beginning before its end is sent."""
    pieces: list[bytes] = []

    async def answer(upstream: Upstream, scope: Scope, receive: Receive, send: Send) -> None:
        pieces.append((await receive())["body"])
        await say_ok(upstream, scope, receive, send)

    upstream.answer = answer
    connection = await stage.connect()
    connection.write(b"POST /v1/x HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n")
    connection.write_chunk(b"first")
    await until(lambda: pieces == [b"first"])
    connection.write_chunk(b"second")
    connection.end_chunks()

    assert await connection.read_status() == 200


async def events(upstream: Upstream, _scope: Scope, receive: Receive, send: Send) -> None:
    """One event, then silence until the follower leaves."""
    headers = [(b"content-type", b"text/event-stream; charset=utf-8")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"data: 1\n\n", "more_body": True})
    while (await receive())["type"] != "http.disconnect":
        pass
    upstream.is_left.set()


async def test_events_are_passed_on_as_they_come(stage: Stage, upstream: Upstream) -> None:
    """And the API hears at once that their follower has left."""
    upstream.answer = events
    async with stage.client.stream("GET", "/v1/endpoints/embed/events") as answer:
        first = await anext(answer.aiter_raw())

    assert first == b"data: 1\n\n"
    async with asyncio.timeout(5):
        await upstream.is_left.wait()


async def test_stream_of_events_ends_when_the_gateway_leaves(stage: Stage, upstream: Upstream) -> None:
    """Whole, so that its follower comes back elsewhere; else it would hold the gateway for its whole grace."""
    upstream.answer = events
    async with stage.client.stream("GET", "/v1/endpoints/embed/events") as answer:
        chunks = answer.aiter_raw()
        await anext(chunks)

        stage.gateway.begin_leaving()

        async with asyncio.timeout(5):
            assert [chunk async for chunk in chunks] == []


async def test_other_answer_is_finished_although_the_gateway_leaves(stage: Stage, upstream: Upstream) -> None:
    """It has an end."""

    async def slow(upstream: Upstream, _scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"begin ", "more_body": True})
        await upstream.go_on.wait()
        await send({"type": "http.response.body", "body": b"end"})

    upstream.answer = slow
    async with stage.client.stream("GET", "/v1/responses/x") as answer:
        chunks = answer.aiter_raw()
        await anext(chunks)
        stage.gateway.begin_leaving()
        await asyncio.sleep(0.05)
        upstream.go_on.set()

        assert b"".join([chunk async for chunk in chunks]) == b"end"


async def test_client_that_leaves_before_an_answer_is_told_to_the_api(
    stage: Stage, upstream: Upstream
) -> None:
    """Nothing goes on for nobody."""

    async def wait(upstream: Upstream, _scope: Scope, receive: Receive, _send: Send) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        upstream.is_left.set()

    upstream.answer = wait
    connection = await stage.connect()
    connection.write(b"GET /v1/x HTTP/1.1\r\nhost: x\r\n\r\n")
    await until(lambda: bool(upstream.asked))

    connection.drop()

    async with asyncio.timeout(5):
        await upstream.is_left.wait()


async def test_slow_client_slows_the_api(stage: Stage, upstream: Upstream) -> None:
    """The gateway holds no answer in memory."""
    sent = 0

    async def flood(_upstream: Upstream, _scope: Scope, _receive: Receive, send: Send) -> None:
        nonlocal sent
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(PIECES):
            await send({"type": "http.response.body", "body": bytes(MIB), "more_body": True})
            sent += 1
        await send({"type": "http.response.body"})

    upstream.answer = flood
    connection = await stage.connect()
    connection.write(b"GET /v1/responses/x HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
    await connection.read_until(b"\r\n\r\n")
    await asyncio.sleep(0.5)
    before = sent
    size = len(await connection.read_rest())

    assert before < PIECES / 2
    assert size > PIECES * MIB


async def test_answer_that_breaks_off_is_broken_off(stage: Stage, upstream: Upstream) -> None:
    """Not made to look whole."""

    async def break_off(_upstream: Upstream, _scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        raise ConnectionError

    upstream.answer = break_off
    connection = await stage.connect()
    connection.write(b"GET /v1/x HTTP/1.1\r\nhost: x\r\n\r\n")
    with contextlib.suppress(ConnectionResetError):
        told = await connection.read_rest()

    assert b"half" in told
    assert not told.endswith(b"0\r\n\r\n")


async def test_api_that_is_away_is_an_honest_503(tmp_path: Path) -> None:
    """Endpoints go on meanwhile."""
    url = f"http://127.0.0.1:{free_port()}"
    async with (
        open_forwarding(url, structlog.get_logger()) as passing,
        gateway_stage(tmp_path, forwarding=passing) as stage,
    ):
        answer = await stage.client.get("/v1/endpoints")
        accepted = await stage.client.post("/e/embed/x", headers={"x-octoai-async": "1"})

    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "api-unavailable")
    assert answer.headers["retry-after"] == "2"
    assert accepted.status_code == 201


async def test_api_that_does_not_answer_is_given_up(
    stage: Stage, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within a time."""
    monkeypatch.setattr(forwarding, "HEAD_SECONDS", 0.2)

    async def wait(_upstream: Upstream, _scope: Scope, receive: Receive, _send: Send) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    upstream.answer = wait
    answer = await stage.client.get("/v1/endpoints")

    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "api-unavailable")


async def test_requests_under_way_are_bounded(
    stage: Stage, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One more is told to come again."""
    monkeypatch.setattr(forwarding, "MOST_FORWARDED", 1)
    upstream.answer = events
    async with stage.client.stream("GET", "/v1/endpoints/embed/events") as answer:
        await anext(answer.aiter_raw())
        refused = await stage.client.get("/v1/endpoints")

    upstream.answer = say_ok
    await until(upstream.is_left.is_set)
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "gateway-full")
    assert "retry-after" in refused.headers
    assert (await stage.client.get("/v1/endpoints")).status_code == 200
