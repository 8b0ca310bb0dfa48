"""`/v1` put together from its parts, as clients of one port may see it: the same in the gateway and in the API."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog
from starlette.routing import Route

from runtime.gateway.addresses import Addresses
from runtime.gateway.dead_api import DeadLettersApi
from runtime.gateway.endpoints_api import EndpointsApi
from runtime.gateway.events import EventsApi, Followers
from runtime.gateway.looks import Looks
from runtime.gateway.metrics import Metrics
from runtime.gateway.requests_api import RequestsApi
from runtime.gateway.room import Room
from runtime.gateway.usage_api import UsageApi
from runtime.gateway.visible import Visible
from runtime.gateway.waiters import Waiters
from runtime.objects import Objects
from runtime.queue.port import Queue
from runtime.usage import Usage


@dataclass(frozen=True, slots=True)
class PlatformApi:
    """What `/v1` is made from."""

    queue: Queue
    looks: Looks
    objects: Objects
    room: Room
    waiters: Waiters
    """Clients of this very process that wait; elsewhere they learn of a cancel when their gateway holds them."""
    metrics: Metrics
    addresses: Addresses
    clock: Callable[[], float]
    log: structlog.typing.FilteringBoundLogger
    usage: Usage | None = None
    """Where usage is kept; None where none is."""
    followers: Followers = field(default_factory=Followers)

    def states(self, visible: Visible) -> EndpointsApi:
        """Endpoints, health and figures."""
        return EndpointsApi(self.queue, self.looks, self.room, visible, self.metrics, self.addresses)

    def routes(self, visible: Visible) -> list[Route]:
        """All below `/v1`, for clients who may see so much."""
        queue, addresses, states = self.queue, self.addresses, self.states(visible)
        requests = RequestsApi(queue, self.looks, self.objects, visible, self.waiters, addresses)
        dead = DeadLettersApi(queue, self.objects, visible, addresses)
        events = EventsApi(queue, self.looks, self.room, states, self.clock, addresses, self.followers)
        usage = UsageApi(self.usage, visible, time.time, self.log)
        return [*states.routes(), *requests.routes(), *dead.routes(), *events.routes(), *usage.routes()]
