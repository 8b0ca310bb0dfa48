"""Dead letters: listing, replaying and forgetting them."""

import contextlib
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from runtime.gateway.access import admit_owner
from runtime.gateway.addresses import Addresses
from runtime.gateway.asynchronous import poll_url
from runtime.gateway.errors import NotDeadError
from runtime.gateway.incoming import read_incoming
from runtime.gateway.requests_api import moved, unknown_request
from runtime.gateway.visible import Visible
from runtime.objects import Objects, ObjectsAwayError, body_name
from runtime.queue.port import Queue, RequestView
from runtime.wire import endpoint_of, is_request_id


@dataclass(frozen=True, slots=True)
class DeadLettersApi:
    """What whoever holds a token of an endpoint may do with its dead letters."""

    queue: Queue
    objects: Objects
    endpoints: Visible
    addresses: Addresses

    def routes(self) -> list[Route]:
        """Its routes."""
        return [
            Route("/v1/endpoints/{name}/dead", self.list_dead, methods=["GET"]),
            Route("/v1/endpoints/{name}/dead", self.purge, methods=["DELETE"]),
            Route("/v1/endpoints/{name}/dead/{request_id}", self.purge, methods=["DELETE"]),
            Route("/v1/requests/{request_id}/replay", self.replay, methods=["POST"]),
        ]

    async def list_dead(self, request: Request) -> Response:
        """The endpoint's dead letters, newest first, at most 100."""
        name = self._admit(request, request.path_params["name"])
        letters = await moved(self.queue.dead_letters(name))
        return JSONResponse({"dead": [_show(letter) for letter in letters]})

    async def purge(self, request: Request) -> Response:
        """Forget one dead letter, or all of an endpoint, with their bodies."""
        name = self._admit(request, request.path_params["name"])
        request_id = request.path_params.get("request_id")
        if request_id is not None and not _is_of(request_id, name):
            raise unknown_request(request_id)
        purged = await moved(self.queue.purge(name, request_id))
        if request_id is not None and not purged:
            raise unknown_request(request_id)
        for each in purged:
            with contextlib.suppress(ObjectsAwayError):  # it goes by its age
                await self.objects.remove(body_name(each))
        return JSONResponse({"purged": purged})

    async def replay(self, request: Request) -> Response:
        """Let a dead letter run again, under its old id; its answer is kept as an async one's."""
        request_id = request.path_params["request_id"]
        if not is_request_id(request_id):
            raise unknown_request(request_id)
        self._admit(request, endpoint_of(request_id))
        if not await moved(self.queue.replay(request_id)):
            if await moved(self.queue.find(request_id)) is None:
                raise unknown_request(request_id)
            raise NotDeadError("The request is no dead letter, so there is nothing to replay.")
        base = self.addresses.platform_url(read_incoming(request.scope))
        content = {"response_id": request_id, "status": "pending", "poll_url": poll_url(base, request_id)}
        return JSONResponse(content, status_code=202)

    def _admit(self, request: Request, name: str) -> str:
        admit_owner(request, self.endpoints.records.tokens, name)
        return self.endpoints.find(name).name


def _is_of(request_id: str, endpoint: str) -> bool:
    return is_request_id(request_id) and endpoint_of(request_id) == endpoint


def _show(letter: RequestView) -> dict[str, Any]:
    return {
        "request_id": letter.id,
        "error": letter.error,
        "attempts": letter.attempt,
        "kind": letter.caller_kind,
        "enqueued_at": letter.enqueued_at,
        "died_at": letter.finished_at,
    }
