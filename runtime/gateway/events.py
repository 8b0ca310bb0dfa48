"""`/v1/endpoints/<name>/events`: why requests wait, as server-sent events, whenever that changes."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from runtime.gateway.addresses import Addresses
from runtime.gateway.endpoints_api import EndpointsApi
from runtime.gateway.errors import GatewayError, GatewayFullError
from runtime.gateway.incoming import read_incoming
from runtime.gateway.looks import Looks
from runtime.gateway.outcome import is_final
from runtime.gateway.registry import Served
from runtime.gateway.requests_api import moved, unknown_request
from runtime.gateway.room import Room
from runtime.gateway.views import show_completed, show_pending, show_why
from runtime.queue.port import Queue, RequestView
from runtime.waiting import explain
from runtime.wire import endpoint_of, is_request_id

LOOK_SECONDS = 1.0
"""How often a change is looked for; all who follow an endpoint share the look."""
HEARTBEAT_SECONDS = 15.0
"""Longest silence: a comment keeps proxies from closing the connection."""
MOST_FOLLOWERS = 200
"""Followers of one gateway, all endpoints together."""
RETRY_SECONDS = 10.0
"""Retry-After where there are as many."""

_HEADERS = {"content-type": "text/event-stream", "cache-control": "no-cache", "x-accel-buffering": "no"}
_HEARTBEAT = b": still here\n\n"


@dataclass(slots=True)
class Followers:
    """How many follow events at this process, whichever port they came by."""

    count: int = 0


@dataclass(frozen=True, slots=True)
class EventsApi:
    """Streams of one endpoint's state, or of one of its requests."""

    queue: Queue
    looks: Looks
    room: Room
    states: EndpointsApi
    clock: Callable[[], float]
    addresses: Addresses
    followers: Followers

    def routes(self) -> list[Route]:
        """Its route."""
        return [Route("/v1/endpoints/{name}/events", self.follow)]

    async def follow(self, request: Request) -> Response:
        """Events until the follower leaves, its request has ended, or the gateway stops."""
        served = self.states.admit(request)
        request_id = request.query_params.get("request")
        if request_id is not None and not _is_of(request_id, served.name):
            raise unknown_request(request_id)
        if self.followers.count >= MOST_FOLLOWERS:
            raise GatewayFullError(
                f"{MOST_FOLLOWERS} clients follow events at this gateway.", retry_after=RETRY_SECONDS
            )
        base = self.addresses.platform_url(read_incoming(request.scope))
        first = await self._state(served, request_id, base)
        return StreamingResponse(self._events(served, request_id, base, first), headers=_HEADERS)

    async def _events(
        self, served: Served, request_id: str | None, base: str, state: dict[str, Any]
    ) -> AsyncIterator[bytes]:
        self.followers.count += 1
        try:
            yield _event(state)
            said_at = self.clock()
            while state.get("status") != "completed" and not await self._is_leaving_within(LOOK_SECONDS):
                with suppress(GatewayError):  # the queue is away for a moment
                    before, state = state, await self._state(served, request_id, base)
                    if state != before:
                        yield _event(state)
                        said_at = self.clock()
                if self.clock() - said_at >= HEARTBEAT_SECONDS:
                    yield _HEARTBEAT
                    said_at = self.clock()
        finally:
            self.followers.count -= 1

    async def _state(self, served: Served, request_id: str | None, base: str) -> dict[str, Any]:
        """What there is to be said now.

        Raises:
            GatewayError: the queue is away, or knows no such request.
        """
        scaling = served.record.scaling
        if request_id is None:
            return show_why(await self.looks.recent(served.name), scaling)
        view = await self._find(request_id)
        if is_final(view.state):
            return show_completed(view, base)
        why = explain(await self.looks.recent(served.name), scaling, view.position)
        return show_pending(view, why, base)

    async def _find(self, request_id: str) -> RequestView:
        view = await moved(self.queue.find(request_id))
        if view is None:
            raise unknown_request(request_id)
        return view

    async def _is_leaving_within(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                return await self.room.is_leaving.wait()
        except TimeoutError:
            return False


def _event(state: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(state).encode() + b"\n\n"


def _is_of(request_id: str, endpoint: str) -> bool:
    return is_request_id(request_id) and endpoint_of(request_id) == endpoint
