"""All parts of one gateway put together around a queue, an object store and records."""

import asyncio
import contextlib
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog
from starlette.types import ASGIApp

from runtime.gateway.addresses import Addresses, DomainAddresses
from runtime.gateway.answers import Answers
from runtime.gateway.app import GatewayApp
from runtime.gateway.asynchronous import AsyncCalls
from runtime.gateway.errors import GatewayError
from runtime.gateway.health import Health
from runtime.gateway.holding import Holding
from runtime.gateway.inner import InnerApp
from runtime.gateway.intake import Intake
from runtime.gateway.looks import Looks
from runtime.gateway.metrics import Metrics
from runtime.gateway.platform_api import PlatformApi
from runtime.gateway.platform_app import platform_app
from runtime.gateway.platform_host import PlatformHost
from runtime.gateway.rates import Rates
from runtime.gateway.registry import Endpoints
from runtime.gateway.room import DEFAULT_MOST, MIB, Most, Room
from runtime.gateway.store_room import StoreRoom
from runtime.gateway.stored import StoredAnswers
from runtime.gateway.sync import SyncCalls
from runtime.gateway.tracing import NO_TRACING, Tracing
from runtime.gateway.usage_api import make_metering
from runtime.gateway.visible import Ingress, Visible
from runtime.gateway.waiters import Waiters
from runtime.objects import LIFE_SECONDS, Objects, ObjectsAwayError
from runtime.queue.port import Caller, Queue
from runtime.usage import Usage
from runtime.usage.metering import Metering

if TYPE_CHECKING:
    from runtime.gateway.forwarding import Forwarding

CLEAN_SECONDS = 3600.0
"""How often old objects are removed."""


@dataclass(frozen=True, slots=True)
class Gateway:
    """One gateway: its applications and what must go on beside them."""

    clients: ASGIApp
    """Serves clients who may see every endpoint."""
    public: ASGIApp
    """Serves clients who may see endpoints of public ingress only."""
    inner: ASGIApp
    """Serves workers."""
    endpoints: Endpoints
    waiters: Waiters
    room: Room
    holding: Holding
    objects: Objects
    store_room: StoreRoom
    metering: Metering | None

    def app_of(self, ingress: Ingress) -> ASGIApp:
        """What serves a port's clients."""
        return self.public if ingress == "public" else self.clients

    def open(self) -> None:
        """The clients' ports are open."""
        self.room.is_serving = True

    def begin_leaving(self) -> None:
        """The clients' ports close; who waits may go on."""
        self.room.is_leaving.set()

    def close(self, error: GatewayError) -> None:
        """Let everybody who still waits, or comes, have an error."""
        self.room.close(error)
        self.waiters.refuse_all(error)

    async def go_on(self) -> None:
        """Do for ever what no request does: follow records, renew holds, look after objects, count what is used."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.endpoints.follow())
            group.create_task(self.holding.follow())
            group.create_task(self.store_room.follow())
            group.create_task(self._clean())
            if self.metering is not None:
                group.create_task(self.metering.follow())

    async def _clean(self) -> None:
        while True:
            with contextlib.suppress(OSError, ObjectsAwayError):
                for kind, seconds in LIFE_SECONDS.items():
                    await self.objects.remove_older_than(seconds, time.time(), kind)
            await asyncio.sleep(CLEAN_SECONDS)


def assemble(
    queue: Queue,
    objects: Objects,
    endpoints: Endpoints,
    *,
    addresses: Addresses,
    inner_url: str,
    log: structlog.typing.FilteringBoundLogger,
    clock: Callable[[], float],
    most: Most = DEFAULT_MOST,
    tracing: Tracing = NO_TRACING,
    forwarding: "Forwarding | None" = None,
    usage: Usage | None = None,
    proxies: int = 0,
) -> Gateway:
    """A gateway whose workers reach it at `inner_url`; `clock` is the running loop's.

    With `forwarding`, `/v1` is passed on; else it is served here, and what is used is counted where `usage` is
    kept. So many `proxies` in front name their clients.
    """
    name = f"gateway-{secrets.token_hex(8)}"
    waiters, metrics = Waiters(), Metrics()
    room = Room(clock, most)
    looks = Looks(queue, clock)
    store_room = StoreRoom(objects, endpoints, clock, most.store_mib * MIB, log)
    intake = Intake(queue, objects, looks, room, store_room)
    api = PlatformApi(queue, looks, objects, room, waiters, metrics, addresses, clock, log, usage)

    def caller(secret: str) -> Caller:
        return Caller(name, inner_url, secret)

    sync = SyncCalls(
        queue=queue,
        intake=intake,
        stored=StoredAnswers(queue, objects, room, clock),
        waiters=waiters,
        looks=looks,
        room=room,
        metrics=metrics,
        caller=caller,
        clock=clock,
        log=log,
    )
    rates, asynchronous, health = Rates(queue), AsyncCalls(intake, addresses), Health(queue, looks)

    def clients(ingress: Ingress) -> ASGIApp:
        visible = Visible(endpoints, ingress)
        return GatewayApp(
            visible=visible,
            addresses=addresses,
            rates=rates,
            room=room,
            tracing=tracing,
            sync=sync,
            asynchronous=asynchronous,
            health=health,
            platform=_platform_host(api, visible, forwarding, log),
            proxies=proxies,
            metrics=metrics,
            log=log,
        )

    states = api.states(Visible(endpoints, "all"))
    inner_routes = [*states.readiness_routes(), *states.metrics_routes()]
    return Gateway(
        clients=clients("all"),
        public=clients("public"),
        inner=InnerApp(
            Answers(waiters, metrics, clock, log), platform_app(inner_routes, addresses.hint, log)
        ),
        endpoints=endpoints,
        waiters=waiters,
        room=room,
        holding=Holding(queue, name, waiters, log),
        objects=objects,
        store_room=store_room,
        metering=make_metering(queue, usage, endpoints, log),
    )


def _platform_host(
    api: PlatformApi,
    visible: Visible,
    forwarding: "Forwarding | None",
    log: structlog.typing.FilteringBoundLogger,
) -> ASGIApp:
    """What is not for an endpoint. Figures name all endpoints; on a domain scrapers have the inner port for them."""
    states = api.states(visible)
    is_open = visible.ingress == "all" and not isinstance(api.addresses, DomainAddresses)
    figures = states.metrics_routes() if is_open else []
    own = [*states.health_routes(), *figures]
    if forwarding is None:
        return platform_app([*own, *api.routes(visible)], api.addresses.hint, log)
    return PlatformHost(
        platform_app(own, api.addresses.hint, log), forwarding, visible.ingress, api.room.is_leaving
    )
