"""Calls over a socket: what is sent, and one kind of fault for whatever goes wrong."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from support.kube_api import KubeApi, serve_kube
from support.ports import free_port

from runtime.cluster.access import Access
from runtime.cluster.calls import ApiClient, ClusterError
from runtime.cluster.client import open_client
from runtime.cluster.paths import deployments

PATH = "/api/v1/namespaces/moorage/configmaps"


@asynccontextmanager
async def answering(
    answer: Callable[[web.Request], Awaitable[web.StreamResponse]], token_file: Path | None = None
) -> AsyncIterator[ApiClient]:
    """A client of a server that answers every call so."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        access = Access(f"http://127.0.0.1:{runner.addresses[0][1]}", token_file=token_file)
        async with open_client(access) as client:
            yield client
    finally:
        await runner.cleanup()


async def fault_of(call: Awaitable[object]) -> ClusterError:
    """The fault that a call ends in."""
    with pytest.raises(ClusterError) as told:
        await call
    return told.value


async def test_object_is_created_read_and_written_over() -> None:
    """With the version that each answer carries."""
    async with serve_kube(KubeApi()) as client:
        made = await client.create(PATH, {"metadata": {"name": "a"}, "data": {"x": "1"}})
        written = await client.replace(f"{PATH}/a", {**made, "data": {"x": "2"}})
        found = await client.read(f"{PATH}/a")
        stale = await fault_of(client.replace(f"{PATH}/a", made))

    assert (written["data"], found) == ({"x": "2"}, written)
    assert stale.is_conflict


async def test_merge_sends_a_merge_patch() -> None:
    """The API refuses a patch of no declared kind."""
    kinds: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        kinds.append(request.content_type)
        return web.json_response({})

    async with answering(answer) as client:
        await client.merge(f"{deployments('moorage')}/embed/scale", {"spec": {"replicas": 1}})
        await client.create(PATH, {})

    assert kinds == ["application/merge-patch+json", "application/json"]


async def test_query_is_sent_by_the_names_of_the_api() -> None:
    """Selectors hold characters that mean something in a URL."""
    kube = KubeApi(objects={PATH: {}})
    async with serve_kube(kube) as client:
        await client.read(PATH, {"fieldSelector": "involvedObject.name=a&b", "limit": 5})

    assert kube.asked == [("GET", PATH, {"fieldSelector": "involvedObject.name=a&b", "limit": "5"})]


@pytest.mark.parametrize(
    ("status", "named"), [(404, "is_gone"), (409, "is_conflict"), (410, "is_expired"), (403, None)]
)
async def test_refusal_carries_status_and_the_words_of_the_api(status: int, named: str | None) -> None:
    """Callers ask by name for what they can mend."""
    async with serve_kube(KubeApi(refusals=[status])) as client:
        fault = await fault_of(client.read(PATH))

    assert (fault.status, str(fault)) == (status, f"{status}: refused with {status}")
    names = ("is_gone", "is_conflict", "is_expired")
    assert [name for name in names if getattr(fault, name)] == ([] if named is None else [named])


async def test_refusal_without_words_has_the_reason_of_http() -> None:
    """A proxy in between answers in HTML or not at all."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=502, body=b"\xff<html>")

    async with answering(answer) as client:
        fault = await fault_of(client.read(PATH))

    assert str(fault) == "502: Bad Gateway"


async def test_redirect_is_not_followed() -> None:
    """The token would be shown to whoever stands there."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=307, headers={"Location": "http://127.0.0.1:1/"})

    async with answering(answer) as client:
        fault = await fault_of(client.read(PATH))

    assert fault.status == 307


@pytest.mark.parametrize("text", ["<html>", "[]", ""])
async def test_answer_that_is_no_object_is_a_fault(text: str) -> None:
    """And no surprise later on."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(text=text)

    async with answering(answer) as client:
        fault = await fault_of(client.read(PATH))
        log = await client.read_text(PATH)

    assert fault.status == 0
    assert log == text


async def test_server_that_is_away_is_a_fault_without_a_status() -> None:
    """Nobody listens."""
    async with open_client(Access(f"http://127.0.0.1:{free_port()}")) as client:
        fault = await fault_of(client.read(PATH))

    assert fault.status == 0


async def test_silent_server_is_given_up_in_time() -> None:
    """Before the answer begins, and within it."""
    begun = asyncio.Event()

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        if request.path == "/begun":
            await response.prepare(request)
            await response.write(b'{"a"')
        await begun.wait()
        return response

    async with answering(answer) as client:
        silent = await fault_of(client.read("/silent", seconds=0.1))
        broken = await fault_of(client.read("/begun", seconds=0.1))
        begun.set()

    assert (str(silent), str(broken)) == ("TimeoutError", "TimeoutError")


async def test_token_is_shown_with_each_call_and_read_anew_after_a_401(tmp_path: Path) -> None:
    """Kubelet has renewed it, and the server forgot the old one early."""
    token = tmp_path / "token"
    token.write_text("old\n")

    async def answer(request: web.Request) -> web.Response:
        shown = request.headers.get("Authorization")
        return web.json_response({"shown": shown}, status=401 if shown == "Bearer old" else 200)

    async with answering(answer, token) as client:
        refused = await fault_of(client.read(PATH))
        token.write_text("new\n")
        found = await client.read(PATH)

    assert (refused.status, found) == (401, {"shown": "Bearer new"})
