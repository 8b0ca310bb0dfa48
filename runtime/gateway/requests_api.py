"""`/v1/requests` and `/v1/responses`: where a request stands, its answer, and its cancelling."""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import TypeVar

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from runtime.gateway.access import admit
from runtime.gateway.addresses import Addresses
from runtime.gateway.errors import CancelledByUserError, UnknownRequestError
from runtime.gateway.incoming import read_incoming
from runtime.gateway.looks import QUEUE_SECONDS, Looks, queue_away
from runtime.gateway.outcome import is_final, why_no_answer
from runtime.gateway.registry import Served
from runtime.gateway.stored import open_stored
from runtime.gateway.views import show_completed, show_pending
from runtime.gateway.visible import Visible
from runtime.gateway.waiters import Waiters
from runtime.objects import Objects
from runtime.queue.port import Answer, Queue, QueueError, RequestView
from runtime.waiting import explain
from runtime.wire import endpoint_of, is_request_id

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RequestsApi:
    """What the platform says of requests. Whoever may call an endpoint may ask for its requests."""

    queue: Queue
    looks: Looks
    objects: Objects
    endpoints: Visible
    waiters: Waiters
    addresses: Addresses

    def routes(self) -> list[Route]:
        """Its routes."""
        return [
            Route("/v1/requests/{request_id}", self.poll, methods=["GET"]),
            Route("/v1/requests/{request_id}", self.cancel, methods=["DELETE"]),
            Route("/v1/responses/{request_id}", self.show_answer),
        ]

    async def poll(self, request: Request) -> Response:
        """Where a request stands: 202 until its end, then 200."""
        served, request_id = self._admit(request)
        view = await self._find(request_id)
        base = self.addresses.platform_url(read_incoming(request.scope))
        if is_final(view.state):
            return JSONResponse(show_completed(view, base))
        why = explain(await self.looks.now(served.name), served.record.scaling, view.position)
        shown = show_pending(view, why, base) | {"waited_seconds": round(view.waited_seconds, 1)}
        return JSONResponse(shown, status_code=202)

    async def cancel(self, request: Request) -> Response:
        """Cancel a request; one at its end stays as it is."""
        _, request_id = self._admit(request)
        state = await moved(self.queue.cancel(request_id))
        if state is None:
            raise unknown_request(request_id)
        waiter = self.waiters.find(request_id)
        if waiter is not None:
            waiter.refuse(CancelledByUserError("The request was cancelled."))
        return JSONResponse({"response_id": request_id, "state": state.value})

    async def show_answer(self, request: Request) -> Response:
        """The model's answer as it came, or the error in its place."""
        _, request_id = self._admit(request)
        view = await self._find(request_id)
        if view.answer is None:
            raise why_no_answer(view)
        return await self._stored(request_id, view.answer)

    async def _stored(self, request_id: str, answer: Answer) -> Response:
        stored = await open_stored(self.objects, request_id, answer)
        response = StreamingResponse(stored.chunks, status_code=stored.status)
        response.raw_headers = stored.headers
        return response

    def _admit(self, request: Request) -> tuple[Served, str]:
        """The request's endpoint and id, for a caller that may call that endpoint."""
        request_id = request.path_params["request_id"]
        if not is_request_id(request_id):
            raise unknown_request(request_id)
        served = self.endpoints.records.endpoints.get(endpoint_of(request_id))
        if served is None:
            raise unknown_request(request_id)
        admit(served, request.headers.get("authorization", ""), self.endpoints.records.tokens)
        return served, request_id

    async def _find(self, request_id: str) -> RequestView:
        view = await moved(self.queue.find(request_id))
        if view is None:
            raise unknown_request(request_id)
        return view


async def moved(move: Awaitable[T]) -> T:
    """What a move of the queue gives, within its time."""
    try:
        async with asyncio.timeout(QUEUE_SECONDS):
            return await move
    except (QueueError, TimeoutError) as exc:
        raise queue_away() from exc


def unknown_request(request_id: str) -> UnknownRequestError:
    """The error of an id that no request has."""
    return UnknownRequestError(f"There is no request {request_id[:128]!r}, or it was forgotten.")
