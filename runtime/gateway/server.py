"""All ports of a program in one loop, and its end: no new connection, what waits may finish, within a bound."""

import asyncio
import contextlib
import math
import signal
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, cast

import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from runtime.gateway.errors import GatewayError, StoppingError
from runtime.gateway.listening import Door
from runtime.gateway.protocol import JoiningProtocol
from runtime.gateway.registry import Endpoints
from runtime.gateway.room import Room

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


class Program(Protocol):
    """What is served: its records, its clients, and what goes on beside them."""

    @property
    def endpoints(self) -> Endpoints:
        """Must be read before clients come."""
        ...

    @property
    def room(self) -> Room:
        """Who is inside."""
        ...

    def open(self) -> None:
        """The clients' ports are open."""
        ...

    def begin_leaving(self) -> None:
        """They close; who waits may go on."""
        ...

    def close(self, error: GatewayError) -> None:
        """Who still waits, or comes, gets this error."""
        ...

    async def go_on(self) -> None:
        """What no request does, for ever."""
        ...


@dataclass(frozen=True, slots=True)
class Port:
    """An application and the bound socket at which it is to be reached."""

    app: ASGIApp
    socket: socket.socket


class ClientPort:
    """A port that clients use: it is left without losing one."""

    def __init__(self, port: Port, grace_seconds: float) -> None:
        self._port = port
        self._last_answers = LastAnswers(port.app)
        self._server = port_server(self._last_answers, grace_seconds)

    async def serve(self) -> None:
        """Serve until it was left."""
        await self._server.serve(sockets=[self._port.socket])

    async def until_started(self) -> None:
        """Return when it takes connections."""
        await _until_started(self._server)

    def announce(self) -> None:
        """From now on every answer tells its client that the connection ends."""
        self._last_answers.is_leaving = True

    async def leave(self) -> None:
        """Take no new connection; those that are open have a moment for one request more."""
        door = Door(self._port.socket)
        await door.close(self._server.stop_accepting, self._server.make_protocol)
        await _until_parted(self._server)
        self._server.should_exit = True

    def end(self) -> None:
        """Let `serve` end when its connections have, or when the grace is over."""
        self._server.should_exit = True


async def serve(
    program: Program, clients: Sequence[Port], inner: Port | None, stop: asyncio.Event, grace_seconds: float
) -> None:
    """Serve all ports until `stop`; then let what waits finish for so many seconds, and refuse the rest.

    The inner port opens first, the clients' when the records were read.
    """
    ports = [ClientPort(port, grace_seconds) for port in clients]
    async with asyncio.TaskGroup() as group:
        beside = group.create_task(program.go_on())
        inner_server = port_server(inner.app, 0) if inner is not None else None
        if inner is not None and inner_server is not None:
            group.create_task(inner_server.serve(sockets=[inner.socket]))
            await _until_started(inner_server)
        if await _is_read_before(stop, program.endpoints, group):
            outer = [group.create_task(port.serve()) for port in ports]
            for port in ports:
                await port.until_started()
            program.open()
            await stop.wait()
            await drain(program, ports, grace_seconds)
            await asyncio.gather(*outer)
        if inner_server is not None:
            inner_server.should_exit = True
        beside.cancel()


async def drain(program: Program, ports: Sequence[ClientPort], grace_seconds: float) -> None:
    """Close the clients' ports, and let those who wait have their answer within the grace, else an error.

    Connections that are open stay so a moment longer: a client that is just about to send its next request
    has it served, and learns from the answer that the connection ends.
    """
    for port in ports:
        port.announce()
    program.begin_leaving()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(grace_seconds):
            async with asyncio.TaskGroup() as group:
                for port in ports:
                    group.create_task(port.leave())
            await program.room.is_empty.wait()
    for port in ports:
        port.end()
    program.close(StoppingError("The gateway is stopping. Send the request again.", retry_after=1.0))


async def _is_read_before(stop: asyncio.Event, endpoints: Endpoints, group: asyncio.TaskGroup) -> bool:
    """Wait for the records, or for the stop; whether there are records."""
    waits = [group.create_task(endpoints.until_read()), group.create_task(stop.wait())]
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()
    return endpoints.is_read and not stop.is_set()


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
