"""The port on which kubelet asks whether the scaler goes on, and Prometheus for its figures."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

from runtime.scaler.metrics import Metrics


@asynccontextmanager
async def serve_probes(
    health: Callable[[], str], metrics: Metrics, host: str, port: int
) -> AsyncIterator[int]:
    """Answer `/healthz` and `/metrics` while the block runs; the port comes back.

    Args:
        health: why this process should be started anew; empty when it is well.
        metrics: its figures.
        host: address to listen on.
        port: 0 for any free one.

    Raises:
        OSError: the port cannot be listened on.
    """

    async def healthz(_: web.Request) -> web.Response:
        fault = health()
        return web.Response(status=503 if fault else 200, text=fault or "ok")

    async def figures(_: web.Request) -> web.Response:
        return web.Response(body=metrics.expose(), headers={"content-type": CONTENT_TYPE_LATEST})

    app = web.Application()
    app.add_routes([web.get("/healthz", healthz), web.get("/metrics", figures)])
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()
