"""Refusing a large upload early: its client reads the status, and takes it for no broken connection.

A client that is still sending when the other end closes has its answer thrown away by a reset. So the answer
goes out at once, and what still comes is dropped.
"""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.gateway_stage import Stage, gateway_stage, record

SIZE = 60 * 1024 * 1024
REFUSALS = {"too-large": 413, "unknown": 404, "unauthorized": 401, "full": 429}


@pytest.fixture(params=sorted(REFUSALS))
def refusal(request: pytest.FixtureRequest) -> str:
    """Why the upload is refused."""
    kind: str = request.param
    return kind


@pytest.fixture
async def refusing(tmp_path: Path, refusal: str) -> AsyncIterator[Stage]:
    """A gateway that refuses a 60 MB upload."""
    access = "private" if refusal == "unauthorized" else "public"
    limits = {"body_mib": 1 if refusal == "too-large" else 100, "waiting": 1}
    async with gateway_stage(tmp_path, record(access=access, limits=limits)) as stage:
        if refusal == "full":
            assert (await stage.client.post("/e/embed/x", headers={"x-octoai-async": "1"})).status_code == 201
        yield stage


@pytest.fixture(scope="module")
def upload(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60 MB, a file without blocks."""
    path = tmp_path_factory.mktemp("upload") / "body"
    with path.open("wb") as file:
        file.truncate(SIZE)
    return path


def path_of(refusal: str) -> str:
    """Where it is sent."""
    return "/e/nowhere/x" if refusal == "unknown" else "/e/embed/x"


async def run(*command: str) -> str:
    """What a program prints; it must end well."""
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, fault = await process.communicate()
    assert process.returncode == 0, fault.decode()
    return out.decode().strip()


@pytest.mark.parametrize("expect", ["100-continue", ""])
async def test_curl_reads_the_status(refusing: Stage, refusal: str, upload: Path, expect: str) -> None:
    """With `Expect: 100-continue` it sends nothing, without it sends all at once."""
    url = f"http://127.0.0.1:{refusing.port}{path_of(refusal)}"
    wanted = "%{http_code} %{size_upload}"
    options = ("-sS", "-o", "/dev/null", "-w", wanted, "-H", f"Expect: {expect}".rstrip())

    out = await run("curl", "--noproxy", "*", *options, "--data-binary", f"@{upload}", url)

    status, sent = out.split()
    assert int(status) == REFUSALS[refusal]
    if expect:
        assert int(sent) < SIZE


@pytest.mark.parametrize("is_chunked", [False, True])
async def test_httpx_reads_the_status(refusing: Stage, refusal: str, is_chunked: bool) -> None:
    """With a length or in chunks."""

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(60):
            yield bytes(SIZE // 60)

    answer = await refusing.client.post(path_of(refusal), content=pieces() if is_chunked else bytes(SIZE))

    assert answer.status_code == REFUSALS[refusal]
    assert answer.json()["error"]["request_id"] == answer.headers["x-user-request-id"]


async def test_client_on_a_slow_line_reads_the_status(refusing: Stage, refusal: str) -> None:
    """While it is still sending: the answer does not wait for the body."""
    connection = await refusing.connect()
    connection.write(
        f"POST {path_of(refusal)} HTTP/1.1\r\nhost: x\r\ncontent-length: {SIZE}\r\n\r\n".encode()
    )
    connection.write(bytes(1000))

    assert await connection.read_status() == REFUSALS[refusal]
    connection.write(bytes(1000))
    await connection.writer.drain()


async def test_refused_body_costs_no_memory_and_no_disk(tmp_path: Path) -> None:
    """What is dropped is dropped as it comes."""
    async with gateway_stage(tmp_path) as stage:
        await stage.client.post("/e/embed/x", content=bytes(SIZE))

        assert stage.gateway.room.body_bytes == 0
        assert not list(stage.places.objects.glob("*"))


async def test_lingering_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that never finishes its body cannot hold the connection for ever."""
    monkeypatch.setattr("runtime.gateway.respond.LINGER_SECONDS", 0.2)
    async with gateway_stage(tmp_path) as stage:
        connection = await stage.connect()
        connection.write(f"POST /e/embed/x HTTP/1.1\r\nhost: x\r\ncontent-length: {SIZE}\r\n\r\n".encode())

        assert b"body-too-large" in await connection.read_rest()


@pytest.fixture(scope="module")
def requests_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An interpreter that has `requests`, in an environment of its own."""
    folder = tmp_path_factory.mktemp("requests")
    uv = Path(sys.executable).parent / "uv"
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, folder], check=True)
    python = folder / "bin" / "python"
    subprocess.run([uv, "pip", "install", "--quiet", "--python", python, "requests==2.32.5"], check=True)
    return python


@pytest.mark.slow
@pytest.mark.timeout(120)
async def test_requests_reads_the_status(
    refusing: Stage, refusal: str, requests_python: Path, upload: Path
) -> None:
    """It sends the whole body before it looks."""
    url = f"http://127.0.0.1:{refusing.port}{path_of(refusal)}"
    program = (
        "import requests, sys; s = requests.Session(); s.trust_env = False;"
        "print(s.post(sys.argv[1], data=open(sys.argv[2], 'rb'), timeout=30).status_code)"
    )

    assert int(await run(str(requests_python), "-c", program, url, str(upload))) == REFUSALS[refusal]
