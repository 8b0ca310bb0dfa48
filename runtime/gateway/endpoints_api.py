"""`/v1/endpoints`, `/healthz` and `/metrics`."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from runtime.gateway.access import admit_owner, identify, may_call
from runtime.gateway.addresses import Addresses
from runtime.gateway.errors import QueueAwayError
from runtime.gateway.incoming import Incoming, read_incoming
from runtime.gateway.looks import QUEUE_SECONDS, Looks, queue_away
from runtime.gateway.metrics import CONTENT_TYPE, Metrics
from runtime.gateway.registry import Served
from runtime.gateway.room import Room
from runtime.gateway.views import show_endpoint
from runtime.gateway.visible import Visible
from runtime.queue.port import EndpointView, Queue, QueueError


@dataclass(frozen=True, slots=True)
class EndpointsApi:
    """What the platform says of its endpoints and of itself."""

    queue: Queue
    looks: Looks
    room: Room
    endpoints: Visible
    metrics: Metrics
    addresses: Addresses

    def routes(self) -> list[Route]:
        """Those of endpoints."""
        return [
            Route("/v1/endpoints", self.list_endpoints),
            Route("/v1/endpoints/{name}", self.show_endpoint),
        ]

    def health_routes(self) -> list[Route]:
        """Whether requests can be taken."""
        return [Route("/healthz", self.show_health)]

    def metrics_routes(self) -> list[Route]:
        """Figures: they name every endpoint, so no port has them that must not show all."""
        return [Route("/metrics", self.show_metrics)]

    def readiness_routes(self) -> list[Route]:
        """Whether this process serves, for probes."""
        return [Route("/healthz", self.show_readiness)]

    async def list_endpoints(self, request: Request) -> Response:
        """The endpoints that the caller's token opens."""
        grant = identify(request.headers.get("authorization", ""), self.endpoints.records.tokens)
        known = self.endpoints.records.endpoints
        mine = [known[name] for name in sorted(known) if may_call(grant, name)]
        views = await self._look_all(mine)
        incoming = read_incoming(request.scope)
        return JSONResponse({"endpoints": [self._show(it, views[it.name], incoming) for it in mine]})

    async def show_endpoint(self, request: Request) -> Response:
        """One endpoint."""
        served = self.admit(request)
        view = await self.looks.now(served.name)
        return JSONResponse(self._show(served, view, read_incoming(request.scope)))

    def admit(self, request: Request) -> Served:
        """The endpoint in the path, for a caller whose token opens it.

        Raises:
            GatewayError: there is no such endpoint, or the token does not open it.
        """
        name = request.path_params["name"]
        admit_owner(request, self.endpoints.records.tokens, name)
        return self.endpoints.find(name)

    async def show_readiness(self, _request: Request) -> Response:
        """Whether this very process serves clients: not yet or not any more is 503."""
        self.room.check_serving()
        return JSONResponse({"status": "ok"})

    async def show_health(self, _request: Request) -> Response:
        """Whether this gateway can take requests: its queue answers."""
        try:
            async with asyncio.timeout(QUEUE_SECONDS):
                await self.queue.ping()
        except (QueueError, TimeoutError) as exc:
            raise queue_away() from exc
        return JSONResponse({"status": "ok"})

    async def show_metrics(self, _request: Request) -> Response:
        """Figures for Prometheus; the queue's own are left out while it is away."""
        try:
            views = await self._look_all(list(self.endpoints.records.endpoints.values()))
        except QueueAwayError:
            views = {}
        return Response(self.metrics.expose(views), headers={"content-type": CONTENT_TYPE})

    async def _look_all(self, wanted: Sequence[Served]) -> Mapping[str, EndpointView]:
        try:
            async with asyncio.TaskGroup() as group:
                looks = {served.name: group.create_task(self.looks.now(served.name)) for served in wanted}
        except ExceptionGroup as faults:
            raise faults.exceptions[0] from faults
        return {name: look.result() for name, look in looks.items()}

    def _show(self, served: Served, view: EndpointView, incoming: Incoming) -> dict[str, Any]:
        return show_endpoint(served, view, self.addresses.endpoint_urls(served.name, incoming))
