"""What the commands make of whatever answers at the platform's port."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import ClientSession, web

from runtime.local.errors import LocalError
from runtime.local.platform_api import PlatformApi


@asynccontextmanager
async def answering(status: int, text: str, token: Path) -> AsyncIterator[PlatformApi]:
    """Asks a server that gives this answer to everything."""

    async def answer(_: web.BaseRequest) -> web.Response:
        return web.Response(status=status, text=text)

    runner = web.ServerRunner(web.Server(answer))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    try:
        async with ClientSession(trust_env=False) as session:
            yield PlatformApi(session, f"http://{host}:{port}", token)
    finally:
        await runner.cleanup()


@pytest.mark.parametrize(
    ("status", "text", "told"),
    [
        (401, "{}", "does not know this folder's token"),
        (503, "{}", "answers 503"),
        (200, "<html>", "is another program"),
    ],
)
async def test_an_answer_that_is_not_the_platforms_is_a_fault_with_its_mend(
    tmp_path: Path, status: int, text: str, told: str
) -> None:
    """Never an empty table, never a traceback."""
    async with answering(status, text, tmp_path / "token") as api:
        with pytest.raises(LocalError, match=told):
            await api.endpoints()

        assert not await api.is_healthy()


async def test_an_endpoint_that_is_not_there_is_none(tmp_path: Path) -> None:
    """The gateway may not have read its record yet."""
    async with answering(404, "{}", tmp_path / "token") as api:
        assert await api.endpoint("ocr") is None
