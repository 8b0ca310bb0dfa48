"""Both ports of a gateway in one loop, and its end: no new connection, what waits may finish, within a bound."""

import asyncio
import contextlib
import math
import signal
import socket
from collections.abc import Iterator

import uvicorn
from starlette.types import ASGIApp

from runtime.gateway.assembly import Gateway
from runtime.gateway.errors import StoppingError
from runtime.gateway.protocol import JoiningProtocol

KEEP_ALIVE_SECONDS = 3700
"""How long an idle connection stays: longer than any proxy in front keeps one (an ALB at most 3,600 s here),
for a proxy that sends just as its server closes has to answer 502."""
BACKLOG = 2048
"""Connections that may wait to be accepted."""
LAST_SECONDS = 2
"""What refused clients have to read their answer."""

_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class PortServer(uvicorn.Server):
    """A uvicorn server that leaves signals to its owner."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Takes no signal."""
        yield


def port_server(app: ASGIApp, grace_seconds: float) -> PortServer:
    """A server that adds nothing of its own to an answer; at its end it cancels what outlives the grace."""
    return PortServer(
        uvicorn.Config(
            app,
            loop="uvloop",
            http=JoiningProtocol,
            ws="none",
            lifespan="off",
            access_log=False,
            log_config=None,
            server_header=False,
            date_header=False,
            proxy_headers=False,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=math.ceil(grace_seconds) + LAST_SECONDS,
            backlog=BACKLOG,
        )
    )


def listen(host: str, port: int) -> socket.socket:
    """A bound socket; port 0 takes any free one.

    Raises:
        OSError: the port is taken, or the address is not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
    except OSError:
        bound.close()
        raise
    return bound


async def serve(
    gateway: Gateway, clients: socket.socket, inner: socket.socket, stop: asyncio.Event, grace_seconds: float
) -> None:
    """Serve both ports until `stop`; then let what waits finish for so many seconds, and refuse the rest."""
    outer_server = port_server(gateway.clients, grace_seconds)
    inner_server = port_server(gateway.inner, 0)
    await gateway.endpoints.refresh()
    async with asyncio.TaskGroup() as group:
        beside = group.create_task(gateway.go_on())
        outer = group.create_task(outer_server.serve(sockets=[clients]))
        answers = group.create_task(inner_server.serve(sockets=[inner]))
        await stop.wait()
        await drain(gateway, outer_server, grace_seconds)
        await outer
        inner_server.should_exit = True
        await answers
        beside.cancel()


async def drain(gateway: Gateway, server: PortServer, grace_seconds: float) -> None:
    """Close the clients' port, and let those who wait have their answer within the grace, else an error."""
    server.should_exit = True
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(grace_seconds):
            await gateway.waiters.is_empty.wait()
    gateway.waiters.refuse_all(
        StoppingError("The gateway is stopping. Send the request again.", retry_after=1.0)
    )


@contextlib.contextmanager
def stopping_on_signals(stop: asyncio.Event) -> Iterator[None]:
    """Inside, SIGTERM and SIGINT set the event."""
    loop = asyncio.get_running_loop()
    for name in _STOP_SIGNALS:
        loop.add_signal_handler(name, stop.set)
    try:
        yield
    finally:
        for name in _STOP_SIGNALS:
            loop.remove_signal_handler(name)
