"""`/v1/requests` and `/v1/responses`: where a request stands, its answer, and its cancelling."""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import TypeVar

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from runtime.gateway.access import admit
from runtime.gateway.answers import BODILESS, client_headers
from runtime.gateway.errors import AnswerNotKeptError, CancelledByUserError, UnknownRequestError
from runtime.gateway.incoming import RawHeaders, read_incoming
from runtime.gateway.intake import QUEUE_SECONDS, Intake, queue_away
from runtime.gateway.outcome import is_final, why_no_answer
from runtime.gateway.registry import Endpoints, Served
from runtime.gateway.views import show_completed, show_pending
from runtime.gateway.waiters import Waiters
from runtime.objects import NoObjectError, Objects
from runtime.queue.port import Answer, Queue, QueueError, RequestView
from runtime.waiting import explain
from runtime.wire import AnswerHead, endpoint_of, is_request_id
from runtime.wire.headers import REQUEST_ID

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RequestsApi:
    """What the platform says of requests. Whoever may call an endpoint may ask for its requests."""

    queue: Queue
    intake: Intake
    objects: Objects
    endpoints: Endpoints
    waiters: Waiters
    public_url: str

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
        base = read_incoming(request.scope).base_url(self.public_url)
        if is_final(view.state):
            return JSONResponse(show_completed(view, base))
        why = explain(await self.intake.look(served), served.record.scaling, view.position)
        return JSONResponse(show_pending(view, why, base), status_code=202)

    async def cancel(self, request: Request) -> Response:
        """Cancel a request; one at its end stays as it is."""
        _, request_id = self._admit(request)
        state = await _moved(self.queue.cancel(request_id))
        if state is None:
            raise _unknown(request_id)
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
        status = answer.head.status
        response: Response
        if answer.body_ref is None:
            size, response = len(answer.body), Response(answer.body, status_code=status)
        else:
            try:
                size = await self.objects.size(answer.body_ref)
            except NoObjectError as exc:
                raise AnswerNotKeptError("The answer is not stored any more.") from exc
            response = StreamingResponse(self.objects.read(answer.body_ref), status_code=status)
        response.raw_headers = stored_headers(answer.head, size, request_id)
        return response

    def _admit(self, request: Request) -> tuple[Served, str]:
        """The request's endpoint and id, for a caller that may call that endpoint."""
        request_id = request.path_params["request_id"]
        if not is_request_id(request_id):
            raise _unknown(request_id)
        served = self.endpoints.records.endpoints.get(endpoint_of(request_id))
        if served is None:
            raise _unknown(request_id)
        admit(served, request.headers.get("authorization", ""), self.endpoints.records.tokens)
        return served, request_id

    async def _find(self, request_id: str) -> RequestView:
        view = await _moved(self.queue.find(request_id))
        if view is None:
            raise _unknown(request_id)
        return view


async def _moved(move: Awaitable[T]) -> T:
    """What a move of the queue gives, within its time."""
    try:
        async with asyncio.timeout(QUEUE_SECONDS):
            return await move
    except (QueueError, TimeoutError) as exc:
        raise queue_away() from exc


def stored_headers(head: AnswerHead, size: int, request_id: str) -> RawHeaders:
    """A stored answer's headers, with the length that is true of what is stored (a HEAD stores no body)."""
    headers = [pair for pair in client_headers(head) if pair[0] != b"content-length"]
    if head.status not in BODILESS:
        headers.append((b"content-length", b"%d" % size))
    headers.append((REQUEST_ID.encode(), request_id.encode()))
    return headers


def _unknown(request_id: str) -> UnknownRequestError:
    return UnknownRequestError(f"There is no request {request_id[:128]!r}, or it was forgotten.")
