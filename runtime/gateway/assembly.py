"""All parts of one gateway put together around a queue and an object store."""

import asyncio
import contextlib
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

import structlog
from starlette.types import ASGIApp

from runtime.gateway.answers import Answers
from runtime.gateway.app import GatewayApp
from runtime.gateway.asynchronous import AsyncCalls
from runtime.gateway.dead_api import DeadLettersApi
from runtime.gateway.endpoints_api import EndpointsApi
from runtime.gateway.errors import GatewayError
from runtime.gateway.events import EventsApi
from runtime.gateway.health import Health
from runtime.gateway.holding import Holding
from runtime.gateway.inner import InnerApp
from runtime.gateway.intake import Intake
from runtime.gateway.looks import Looks
from runtime.gateway.metrics import Metrics
from runtime.gateway.platform_app import platform_app
from runtime.gateway.rates import Rates
from runtime.gateway.registry import Endpoints
from runtime.gateway.requests_api import RequestsApi
from runtime.gateway.room import DEFAULT_MOST, MIB, Most, Room
from runtime.gateway.store_room import StoreRoom
from runtime.gateway.stored import StoredAnswers
from runtime.gateway.sync import SyncCalls
from runtime.gateway.tracing import NO_TRACING, Tracing
from runtime.gateway.waiters import Waiters
from runtime.objects import Kind, Objects
from runtime.queue.port import DEAD_SECONDS, RESULT_SECONDS, Caller, Queue
from runtime.wire.places import Places

OBJECT_SECONDS: dict[Kind, float] = {
    "answer": 2 * RESULT_SECONDS,
    "body": RESULT_SECONDS + DEAD_SECONDS,
}
"""How long answers and bodies are kept: a wait in the queue, then the life of a result or of a dead letter."""
CLEAN_SECONDS = 3600.0
"""How often old objects are removed."""


@dataclass(frozen=True, slots=True)
class Gateway:
    """One gateway: two applications and what must go on beside them."""

    clients: ASGIApp
    """Serves clients."""
    inner: ASGIApp
    """Serves workers."""
    endpoints: Endpoints
    waiters: Waiters
    room: Room
    holding: Holding
    objects: Objects

    def open(self) -> None:
        """The clients' port is open."""
        self.room.is_serving = True

    def begin_leaving(self) -> None:
        """The clients' port closes; who waits may go on."""
        self.room.is_leaving.set()

    def close(self, error: GatewayError) -> None:
        """Let everybody who still waits, or comes, have an error."""
        self.room.close(error)
        self.waiters.refuse_all(error)

    async def go_on(self) -> None:
        """Do for ever what no request does: follow records, renew holds, remove old objects."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.endpoints.follow())
            group.create_task(self.holding.follow())
            group.create_task(self._clean())

    async def _clean(self) -> None:
        while True:
            with contextlib.suppress(OSError):
                for kind, seconds in OBJECT_SECONDS.items():
                    await self.objects.remove_older_than(seconds, time.time(), kind)
            await asyncio.sleep(CLEAN_SECONDS)


def assemble(
    queue: Queue,
    objects: Objects,
    places: Places,
    *,
    inner_url: str,
    public_url: str,
    log: structlog.typing.FilteringBoundLogger,
    clock: Callable[[], float],
    most: Most = DEFAULT_MOST,
    tracing: Tracing = NO_TRACING,
) -> Gateway:
    """A gateway whose workers reach it at `inner_url`; `clock` is the running loop's."""
    name = f"gateway-{secrets.token_hex(8)}"
    endpoints, waiters, metrics = Endpoints(places, log), Waiters(), Metrics()
    room = Room(clock, most)
    looks = Looks(queue, clock)
    intake = Intake(queue, objects, looks, room, StoreRoom(places.objects, clock, most.store_mib * MIB))
    states = EndpointsApi(queue, looks, room, endpoints, metrics, public_url)
    requests = RequestsApi(queue, looks, objects, endpoints, waiters, public_url)
    dead = DeadLettersApi(queue, objects, endpoints, public_url)
    events = EventsApi(queue, looks, room, states, clock, public_url)
    routes = [*states.routes(), *requests.routes(), *dead.routes(), *events.routes()]

    def caller(secret: str) -> Caller:
        return Caller(name, inner_url, secret)

    return Gateway(
        clients=GatewayApp(
            endpoints=endpoints,
            rates=Rates(queue),
            room=room,
            tracing=tracing,
            sync=SyncCalls(
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
            ),
            asynchronous=AsyncCalls(intake, public_url),
            health=Health(queue, looks),
            platform=platform_app(routes, log),
            metrics=metrics,
            log=log,
        ),
        inner=InnerApp(Answers(waiters, metrics, clock, log), platform_app(states.inner_routes(), log)),
        endpoints=endpoints,
        waiters=waiters,
        room=room,
        holding=Holding(queue, name, waiters, log),
        objects=objects,
    )
