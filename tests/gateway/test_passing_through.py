"""What the model sees of a request, and what the client sees of its answer."""

import asyncio
from pathlib import Path

import pytest
from support.gateway_stage import OWNER, Stage, gateway_stage, record

from runtime.queue.port import Taken
from runtime.wire import RequestHead, is_request_id


async def seen(stage: Stage, request: bytes) -> tuple[RequestHead, bytes]:
    """What a raw request looks like to the model."""
    connection = await stage.connect()
    connection.write(request)
    taken = await stage.serve_one()
    assert await connection.read_status() == 200
    return taken.head, taken.body


def values(head: RequestHead, name: str) -> list[str]:
    """Every value of a header."""
    return [value for key, value in head.headers if key == name]


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD", "PROPFIND"])
async def test_any_method_reaches_the_model(stage: Stage, method: str) -> None:
    """As it came."""
    request = f"{method} /e/embed/infer HTTP/1.1\r\nhost: x\r\n\r\n"

    head, _ = await seen(stage, request.encode())

    assert head.method == method


@pytest.mark.parametrize(
    ("asked", "target"),
    [
        ("/e/embed/infer", "/infer"),
        ("/e/embed", "/"),
        ("/e/embed/", "/"),
        ("/e/embed//double//slash/", "//double//slash/"),
        ("/e/embed/a%2Fb%20c/%E2%82%AC", "/a%2Fb%20c/%E2%82%AC"),
        ("/e/embed/infer?a=1&a=2&b=%20+&c", "/infer?a=1&a=2&b=%20+&c"),
        ("/e/embed?x=1", "/?x=1"),
        ("/e/embed/v1/endpoints", "/v1/endpoints"),
    ],
)
async def test_path_and_query_stay_as_they_came(stage: Stage, asked: str, target: str) -> None:
    """Only the endpoint's prefix is taken off."""
    head, _ = await seen(stage, f"GET {asked} HTTP/1.1\r\nhost: x\r\n\r\n".encode())

    assert head.target == target


@pytest.mark.parametrize("path", ["/infer", "/healthz", "/v1/endpoints", "/metrics", "/e/other/x"])
@pytest.mark.parametrize("host", ["embed.localhost", "embed.localhost:8484", "Embed.LocalHost:1"])
async def test_endpoints_own_host_passes_every_path(stage: Stage, host: str, path: str) -> None:
    """The platform has no path there."""
    head, _ = await seen(stage, f"GET {path} HTTP/1.1\r\nhost: {host}\r\n\r\n".encode())

    assert head.target == path


async def test_end_to_end_headers_are_kept_in_order(stage: Stage) -> None:
    """Repeated ones too, and bytes beyond ASCII."""
    request = (
        b"GET /e/embed/x HTTP/1.1\r\nHost: example.org:80\r\nX-Tag: one\r\nAccept: */*\r\n"
        b"x-tag: two\r\nX-Latin: caf\xe9\r\nAuthorization: Basic abc\r\n\r\n"
    )

    head, _ = await seen(stage, request)

    assert values(head, "x-tag") == ["one", "two"]
    assert values(head, "x-latin") == ["caf\xe9"]
    assert values(head, "host") == ["example.org:80"]
    assert values(head, "authorization") == ["Basic abc"]
    assert [name for name, _ in head.headers][:4] == ["host", "x-tag", "accept", "x-tag"]


async def test_headers_of_the_connection_are_not_passed_on(stage: Stage) -> None:
    """Neither hop-by-hop ones nor those that Connection names, nor Expect, which the gateway answers."""
    request = (
        b"POST /e/embed/x HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, X-Mine\r\nKeep-Alive: 5\r\n"
        b"TE: trailers\r\nX-Mine: 1\r\nProxy-Authorization: a\r\nExpect: 100-continue\r\n"
        b"Upgrade: h2c\r\nX-Yours: 2\r\nContent-Length: 2\r\n\r\nhi"
    )
    connection = await stage.connect()
    connection.write(request)

    taken = await stage.serve_one()

    assert {name for name, _ in taken.head.headers} == {
        "host",
        "x-yours",
        "content-length",
        "x-forwarded-for",
        "x-forwarded-proto",
        "x-forwarded-host",
    }


async def test_forwarding_headers_tell_where_it_came_from(stage: Stage) -> None:
    """The address is added to the proxies' before it; what a TLS end in front said is kept."""
    plain, _ = await seen(stage, b"GET /e/embed/x HTTP/1.1\r\nHost: me:1\r\n\r\n")
    behind, _ = await seen(
        stage,
        b"GET /e/embed/x HTTP/1.1\r\nHost: me\r\nX-Forwarded-For: 10.0.0.9\r\nX-Forwarded-Proto: https\r\n"
        b"X-Forwarded-Host: shop.example\r\n\r\n",
    )

    assert values(plain, "x-forwarded-for") == ["127.0.0.1"]
    assert values(plain, "x-forwarded-proto") == ["http"]
    assert values(plain, "x-forwarded-host") == ["me:1"]
    assert values(behind, "x-forwarded-for") == ["10.0.0.9, 127.0.0.1"]
    assert values(behind, "x-forwarded-proto") == ["https"]
    assert values(behind, "x-forwarded-host") == ["shop.example"]


async def test_token_of_a_private_endpoint_stays_here(tmp_path: Path) -> None:
    """It is the platform's, not the model's."""
    async with gateway_stage(tmp_path, record(access="private")) as stage:
        request = f"GET /e/embed/x HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {OWNER}\r\n\r\n"

        head, _ = await seen(stage, request.encode())

        assert values(head, "authorization") == []


async def test_chunked_body_gets_the_length_that_was_read(stage: Stage) -> None:
    """The request is built anew; no framing of the client's is passed on."""
    request = (
        b"POST /e/embed/x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    )

    head, body = await seen(stage, request)

    assert body == b"abcde"
    assert values(head, "content-length") == ["5"]
    assert values(head, "transfer-encoding") == []


async def test_request_without_a_body_gets_no_length(stage: Stage) -> None:
    """A GET stays a GET."""
    head, body = await seen(stage, b"GET /e/embed/x HTTP/1.1\r\nHost: x\r\n\r\n")

    assert body == b""
    assert values(head, "content-length") == []


async def test_answer_comes_back_as_the_model_gave_it(stage: Stage) -> None:
    """Status, headers (repeated ones too) and body, with the request's id added."""
    headers = (("content-type", "text/x"), ("set-cookie", "a=1"), ("set-cookie", "b=2"), ("date", "today"))

    call = asyncio.create_task(stage.client.post("/e/embed/x", content=b"in"))
    taken = await stage.serve_one(418, (*headers, ("content-length", "3")), b"out")
    answer = await call

    assert (answer.status_code, answer.content) == (418, b"out")
    assert answer.headers.get_list("set-cookie") == ["a=1", "b=2"]
    assert answer.headers.get_list("date") == ["today"]
    assert answer.headers["content-length"] == "3"
    assert answer.headers["x-user-request-id"] == taken.id
    assert "server" not in answer.headers


async def test_headers_of_the_models_connection_stay_inside(stage: Stage) -> None:
    """Hop-by-hop ones and those its Connection names; a request id of its own is replaced."""
    headers = (
        ("connection", "x-mine"),
        ("x-mine", "1"),
        ("keep-alive", "5"),
        ("x-user-request-id", "forged"),
        ("x-yours", "2"),
    )

    call = asyncio.create_task(stage.client.get("/e/embed/x"))
    taken = await stage.serve_one(200, headers)
    answer = await call

    assert "x-mine" not in answer.headers
    assert "keep-alive" not in answer.headers
    assert answer.headers["x-yours"] == "2"
    assert answer.headers.get_list("x-user-request-id") == [taken.id]


@pytest.mark.parametrize("status", [204, 304])
async def test_status_without_a_body_is_answered_cleanly(stage: Stage, status: int) -> None:
    """Even when the model gave it a length."""
    call = asyncio.create_task(stage.client.get("/e/embed/x"))
    await stage.serve_one(status, (("content-length", "7"),))

    assert (await call).status_code == status


async def test_head_keeps_the_length_of_what_a_get_would_give(stage: Stage) -> None:
    """And has no body."""
    call = asyncio.create_task(stage.client.head("/e/embed/x"))
    await stage.serve_one(200, (("content-length", "1234"),))
    answer = await call

    assert answer.headers["content-length"] == "1234"
    assert answer.content == b""


async def test_large_answer_comes_whole(stage: Stage) -> None:
    """Through back-pressure and all."""
    body = bytes(range(256)) * 40_000

    call = asyncio.create_task(stage.client.get("/e/embed/x"))
    await stage.serve_one(200, (), body)

    assert (await call).content == body


async def test_connection_is_used_again(stage: Stage) -> None:
    """The next request on it is answered too."""
    connection = await stage.connect()
    ids: list[Taken] = []
    for _ in range(3):
        connection.write(b"GET /e/embed/x HTTP/1.1\r\nhost: x\r\n\r\n")
        ids.append(await stage.serve_one(200, (("content-length", "0"),)))
        assert await connection.read_status() == 200

    assert len({taken.id for taken in ids}) == 3
    assert all(is_request_id(taken.id) for taken in ids)
