"""Generators become streams, piece by piece."""

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from support.served_replica import DEADLINE_SECONDS, Served, served

SOURCE = """
import pathlib, time
from collections.abc import Iterator

class Service:
    def infer(self, count: int) -> Iterator[dict[str, int]]:
        for number in range(count):
            print("computing", number)
            yield {"number": number}

    def gated(self):
        yield "first"
        while not pathlib.Path("go").exists():
            time.sleep(0.01)
        yield "second"

    async def on_the_loop(self, count: int):
        for number in range(count):
            yield number

    def returned(self): return (text for text in ["[DONE]", "\\u2028"])
    def breaks(self):
        yield 1
        raise RuntimeError("broke half-way")
    def breaks_at_once(self):
        raise RuntimeError("broke at once")
        yield 1
    def thing(self):
        yield 1
        yield object()
    def endless(self):
        try:
            number = 0
            while True:
                number += 1
                yield "x" * 10_000
        finally:
            print("closed after", number)
"""


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One runner for all of these: a broken stream must not break the next."""
    with served(tmp_path_factory.mktemp("service"), SOURCE) as runner:
        yield runner.until_healthy()


@pytest.mark.parametrize("path", ["/infer", "/on-the-loop"])
def test_a_generator_is_sent_as_events_and_ends_with_done(runner: Served, path: str) -> None:
    """The one framing that every client reads."""
    answer = runner.post(path, count=2)

    pieces = ['{"number":0}', '{"number":1}'] if path == "/infer" else ["0", "1"]
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert answer.text == "".join(f"data: {piece}\n\n" for piece in [*pieces, "[DONE]"])


def test_openapi_says_that_a_route_streams(runner: Served) -> None:
    """By the annotation of what the method returns."""
    document = httpx.get(runner.url + "/openapi.json").json()

    content = document["paths"]["/infer"]["post"]["responses"]["200"]["content"]
    assert content == {
        "text/event-stream": {"schema": {"type": "object", "additionalProperties": {"type": "integer"}}}
    }


def test_an_empty_generator_is_an_empty_stream(runner: Served) -> None:
    """No piece is not an error."""
    assert runner.post(count=0).text == "data: [DONE]\n\n"


def test_the_first_piece_arrives_before_the_second_is_computed(runner: Served) -> None:
    """Nothing waits for the end."""
    with httpx.stream("POST", runner.url + "/gated", timeout=DEADLINE_SECONDS) as answer:
        lines = answer.iter_lines()

        first = next(lines)
        (runner.log_file.parent / "go").touch()
        rest = [line for line in lines if line]

    assert first == 'data: "first"'
    assert rest == ['data: "second"', "data: [DONE]"]


def test_a_piece_cannot_end_the_stream_or_its_line(runner: Served) -> None:
    """Generated text may hold anything."""
    assert runner.post("/returned").text == ('data: "\\u005bDONE]"\n\ndata: "\\u2028"\n\ndata: [DONE]\n\n')


@pytest.mark.parametrize(
    ("path", "logged"),
    [("/breaks", "RuntimeError: broke half-way"), ("/thing", "object has no form in JSON")],
)
def test_a_generator_that_fails_breaks_the_stream_off(runner: Served, path: str, logged: str) -> None:
    """A half result must not look like a whole one."""
    received: list[str] = []

    with (
        pytest.raises(httpx.RemoteProtocolError),
        httpx.stream("POST", runner.url + path, timeout=DEADLINE_SECONDS) as answer,
    ):
        received.extend(answer.iter_lines())

    assert "data: [DONE]" not in received
    assert logged in runner.log
    assert runner.post(count=0).status_code == 200


def test_a_generator_that_fails_before_its_first_piece_is_500(runner: Served) -> None:
    """Nothing was sent yet, so the status can still say it."""
    answer = runner.post("/breaks-at-once")

    assert (answer.status_code, answer.text) == (500, "Internal Server Error")


def test_a_client_that_has_gone_closes_the_generator(runner: Served) -> None:
    """And frees the slot."""
    with httpx.stream("POST", runner.url + "/endless", timeout=DEADLINE_SECONDS) as answer:
        next(answer.iter_lines())

    runner.until_logged("closed after")
    assert runner.post(count=0).status_code == 200


def test_a_client_that_does_not_read_holds_the_model_back(tmp_path: Path) -> None:
    """What is computed ahead is bounded by the socket's buffers."""
    with served(tmp_path, SOURCE) as runner:
        runner.until_healthy()
        host, port = runner.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as client:
            client.sendall(b"POST /endless HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}")
            client.recv(1)
            time.sleep(1.0)  # long enough to compute far more than the buffers hold

        runner.until_logged("closed after")
        pieces = int(runner.log.rpartition("closed after")[2].split()[0])
        assert pieces < 2000
