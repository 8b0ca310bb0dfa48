"""The platform API put together: the gateway's own `/v1`, once for each kind of port that forwards to it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import structlog
from starlette.types import ASGIApp, Receive, Scope, Send

from runtime.gateway.addresses import Addresses
from runtime.gateway.errors import GatewayError
from runtime.gateway.incoming import INGRESS
from runtime.gateway.looks import Looks
from runtime.gateway.metrics import Metrics
from runtime.gateway.platform_api import PlatformApi
from runtime.gateway.platform_app import platform_app
from runtime.gateway.registry import Endpoints
from runtime.gateway.room import Room
from runtime.gateway.usage_api import make_metering
from runtime.gateway.visible import Ingress, Visible
from runtime.gateway.waiters import Waiters
from runtime.objects import Objects
from runtime.queue.port import Queue
from runtime.usage import Usage
from runtime.usage.metering import Metering

_INGRESS = INGRESS.encode()


class ByIngress:
    """An ASGI application that shows a request what its gateway's port may show; without a word of it the least."""

    def __init__(self, public: ASGIApp, every: ASGIApp) -> None:
        self._public = public
        self._every = every

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        said = [value for name, value in scope["headers"] if name == _INGRESS]
        app = self._every if said == [b"all"] else self._public
        await app(scope, receive, send)


@dataclass(frozen=True, slots=True)
class Api:
    """The platform API as `runtime.gateway.server.serve` runs it."""

    app: ASGIApp
    endpoints: Endpoints
    room: Room
    metering: Metering | None

    def open(self) -> None:
        """The port is open."""
        self.room.is_serving = True

    def begin_leaving(self) -> None:
        """The port closes; followers of events are let go."""
        self.room.is_leaving.set()

    def close(self, error: GatewayError) -> None:
        """Whoever still comes gets this error."""
        self.room.close(error)

    async def go_on(self) -> None:
        """Follow the records for ever, and count what is used."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.endpoints.follow())
            if self.metering is not None:
                group.create_task(self.metering.follow())


def assemble(
    queue: Queue,
    objects: Objects,
    endpoints: Endpoints,
    *,
    addresses: Addresses,
    log: structlog.typing.FilteringBoundLogger,
    clock: Callable[[], float],
    usage: Usage | None = None,
) -> Api:
    """The API; `clock` is the running loop's. It counts what is used where `usage` is kept."""
    room = Room(clock)
    # Nobody waits for an answer here. Who does, at a gateway, hears of a cancel when that renews its holds.
    api = PlatformApi(
        queue, Looks(queue, clock), objects, room, Waiters(), Metrics(), addresses, clock, log, usage
    )

    def shown(ingress: Ingress) -> ASGIApp:
        visible = Visible(endpoints, ingress)
        routes = [*api.states(visible).readiness_routes(), *api.routes(visible)]
        return platform_app(routes, addresses.hint, log)

    return Api(
        ByIngress(shown("public"), shown("all")), endpoints, room, make_metering(queue, usage, endpoints, log)
    )
