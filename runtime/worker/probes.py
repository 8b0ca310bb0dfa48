"""The HTTP server that speaks for the model: start-up, liveness, readiness and preStop ask here, not the model.

`/drain` takes no argument: kubelet's httpGet has only a path. It also runs before a liveness kill, whose grace
is its own; the model's next start ends the draining (`Condition.note_started`).

A busy model is healthy (many cannot answer while they infer); an idle one is as healthy as its health path.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from runtime.worker.condition import Condition


@asynccontextmanager
async def serve_probes(
    condition: Condition, host: str, port: int, drain_seconds: float
) -> AsyncIterator[None]:
    """Answer probes while the block runs.

    Args:
        condition: what the answers are read from.
        host: address to listen on.
        port: TCP port.
        drain_seconds: longest that `/drain` may wait for the running request.
    """
    runner = web.AppRunner(
        _app(condition, drain_seconds), access_log=None, handle_signals=False, shutdown_timeout=1.0
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        yield
    finally:
        await runner.cleanup()


def _app(condition: Condition, drain_seconds: float) -> web.Application:
    async def startup(_: web.Request) -> web.Response:
        condition.note_started()
        return _verdict(is_good=condition.is_up, why="the model's health path does not answer 200 yet")

    async def live(_: web.Request) -> web.Response:
        return _verdict(is_good=condition.restart_reason is None, why=condition.restart_reason or "")

    async def ready(_: web.Request) -> web.Response:
        return _verdict(is_good=condition.is_ready, why="no request can be taken now")

    async def drain(_: web.Request) -> web.Response:
        condition.drain()
        try:
            async with asyncio.timeout(drain_seconds):
                await condition.wait_idle()
        except TimeoutError:
            return _verdict(is_good=False, why="a request is still running")
        return _verdict(is_good=True, why="")

    app = web.Application()
    app.add_routes(
        [
            web.get("/startup", startup),
            web.get("/live", live),
            web.get("/ready", ready),
            web.get("/drain", drain),
        ]
    )
    return app


def _verdict(*, is_good: bool, why: str) -> web.Response:
    return web.Response(status=200, text="ok") if is_good else web.Response(status=503, text=why)
