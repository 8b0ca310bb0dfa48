"""Both ports of a gateway in one loop, and its end: no new connection, what waits may finish, within a bound."""

import asyncio
import contextlib
import math
import signal
import socket
from collections.abc import Iterator
from typing import cast

import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from runtime.gateway.assembly import Gateway
from runtime.gateway.errors import StoppingError
from runtime.gateway.listening import Door
from runtime.gateway.protocol import JoiningProtocol

KEEP_ALIVE_SECONDS = 3700
"""How long an idle connection stays: longer than any proxy in front keeps one (an ALB at most 3,600 s here),
for a proxy that sends just as its server closes has to answer 502."""
BACKLOG = 2048
"""Connections that may wait to be accepted."""
PARTING_SECONDS = 1.0
"""How long open connections may still bring a request after the signal, to be served as their last one."""
LAST_SECONDS = 2
"""What refused clients have to read their answer."""

_CLOSE = (b"connection", b"close")
_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class LastAnswers:
    """An ASGI application that, once it is leaving, tells every client that this connection ends."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.is_leaving = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""

        async def send_last(message: Message) -> None:
            if (
                self.is_leaving
                and message["type"] == "http.response.start"
                and _CLOSE not in message["headers"]
            ):
                message = {**message, "headers": [*message["headers"], _CLOSE]}
            await send(message)

        await self._app(scope, receive, send_last)


class PortServer(uvicorn.Server):
    """A uvicorn server that leaves signals to its owner."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Takes no signal."""
        yield

    def make_protocol(self) -> asyncio.Protocol:
        """What a connection speaks that was accepted by hand."""
        make = cast("type[HttpToolsProtocol]", self.config.http_protocol_class)
        return make(config=self.config, server_state=self.server_state, app_state=self.lifespan.state)

    def stop_accepting(self) -> None:
        """Close the listening sockets; connections stay."""
        for server in self.servers:
            server.close()


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


async def serve(
    gateway: Gateway, clients: socket.socket, inner: socket.socket, stop: asyncio.Event, grace_seconds: float
) -> None:
    """Serve both ports until `stop`; then let what waits finish for so many seconds, and refuse the rest."""
    last_answers = LastAnswers(gateway.clients)
    outer_server = port_server(last_answers, grace_seconds)
    inner_server = port_server(gateway.inner, 0)
    await gateway.endpoints.refresh()
    async with asyncio.TaskGroup() as group:
        beside = group.create_task(gateway.go_on())
        answers = group.create_task(inner_server.serve(sockets=[inner]))
        await _until_started(inner_server)
        outer = group.create_task(outer_server.serve(sockets=[clients]))
        await _until_started(outer_server)
        gateway.open()
        await stop.wait()
        last_answers.is_leaving = True
        await drain(gateway, outer_server, Door(clients), grace_seconds)
        await outer
        inner_server.should_exit = True
        await answers
        beside.cancel()


async def drain(gateway: Gateway, server: PortServer, door: Door, grace_seconds: float) -> None:
    """Close the clients' port, and let those who wait have their answer within the grace, else an error.

    Connections that are open stay so a moment longer: a client that is just about to send its next request
    has it served, and learns from the answer that the connection ends.
    """
    gateway.begin_leaving()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(grace_seconds):
            await door.close(server.stop_accepting, server.make_protocol)
            await _until_parted(server)
            server.should_exit = True
            await gateway.room.is_empty.wait()
    server.should_exit = True
    gateway.close(StoppingError("The gateway is stopping. Send the request again.", retry_after=1.0))


async def _until_started(server: PortServer) -> None:
    while not server.started:  # noqa: ASYNC110 - uvicorn sets a flag, no event
        await asyncio.sleep(0.005)


async def _until_parted(server: PortServer) -> None:
    """Return when no connection is left, or when idle ones have had their time."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(PARTING_SECONDS):
            while server.server_state.connections:  # noqa: ASYNC110 - uvicorn keeps a set, no event
                await asyncio.sleep(0.01)


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
