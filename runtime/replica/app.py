"""The HTTP side of a replica: health, schema, and one request after the other to the service."""

import json
import logging
import time
from typing import Any

import pydantic_core
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from runtime.replica.encode import to_json
from runtime.replica.errors import InputError
from runtime.replica.lifecycle import Replica, State
from runtime.replica.openapi import describe
from runtime.replica.routes import Route
from runtime.replica.stream import Pieces, is_stream, pieces_of, send_stream

log = logging.getLogger("moorage.replica")


class ReplicaApp:
    """ASGI application of one replica."""

    def __init__(self, replica: Replica) -> None:
        self._replica = replica

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or carry the server through its start and end."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
            return
        request = Request(scope, receive)
        if request.method == "POST":
            await self._post(request, send)
        else:
            await self._get(request)(scope, receive, send)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        async with self._replica.running():
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})

    def _get(self, request: Request) -> Response:
        path = request.url.path
        if path == "/healthcheck":
            return self._health()
        if path == "/":
            links = {
                "health": "/healthcheck",
                "openapi": "/openapi.json",
                "routes": sorted(self._replica.routes),
            }
            return JSONResponse({"status": self._replica.state, **links})
        if path == "/openapi.json":
            return JSONResponse(describe(list(self._replica.routes.values())))
        if path in self._replica.routes:
            return JSONResponse({"detail": "Method Not Allowed"}, 405, {"Allow": "POST"})
        return JSONResponse({"detail": "Not Found"}, 404)

    def _health(self) -> Response:
        state = self._replica.state
        if state is State.RUNNING:
            return JSONResponse({"status": state, "async_enable": True})
        return JSONResponse({"status": state}, 503)

    async def _post(self, request: Request, send: Send) -> None:
        began = time.perf_counter()
        route = self._replica.routes.get(request.url.path)
        try:
            body = await request.body()
        except ClientDisconnect:
            return
        if self._replica.state is not State.RUNNING:
            response: Response | None = self._health()
        elif route is None:
            response = JSONResponse({"detail": "Not Found"}, 404)
        elif self._replica.slot.full:
            response = JSONResponse({"detail": "too many requests wait"}, 429, {"Retry-After": "1"})
        else:
            response = await self._in_turn(route, body, began, request, send)
        if response is not None:
            await response(request.scope, request.receive, send)

    async def _in_turn(
        self, route: Route, body: bytes, began: float, request: Request, send: Send
    ) -> Response | None:
        """Wait for the slot and infer; the answer, or None where it was sent as a stream."""
        try:
            arguments = route.parse(body)
            async with self._replica.slot.held() as waited:
                if self._replica.state is not State.RUNNING:
                    return self._health()
                if waited and await request.is_disconnected():
                    return None
                return await self._infer(route, arguments, began, request, send)
        except InputError as exc:
            return _unprocessable(exc)
        except Exception as exc:  # noqa: BLE001 - whatever the user's code raises
            log.error("%s raised %s", route.path, self._replica.told(exc))  # noqa: TRY400 - told already
            return PlainTextResponse("Internal Server Error", 500)

    async def _infer(
        self, route: Route, arguments: dict[str, Any], began: float, request: Request, send: Send
    ) -> Response | None:
        started = time.perf_counter()
        result = await self._replica.call(route.method, **arguments)
        inferred = time.perf_counter()
        if is_stream(result):
            await self._stream(result, request, send)
            return None
        output = await self._replica.thread.run(to_json, result)
        milliseconds = {
            "inference_time_ms": (inferred - started) * 1000,
            "performance_time_ms": (time.perf_counter() - began) * 1000,
        }
        envelope = f'{{"output":{output},"analytics":{json.dumps(milliseconds)}}}'
        return Response(envelope, media_type="application/json")

    async def _stream(self, result: Any, request: Request, send: Send) -> None:
        """Stream it; what fails before the first piece is still an ordinary error answer."""
        pieces = pieces_of(result, self._replica.thread)
        try:
            first = await pieces.next()
            await send_stream(first, pieces, request.receive, send)
        finally:
            await _close(pieces)


async def _close(pieces: Pieces) -> None:
    try:
        await pieces.close()
    except Exception:
        log.exception("the generator's clean-up failed")


def _unprocessable(exc: InputError) -> Response:
    detail = pydantic_core.to_jsonable_python(exc.detail, fallback=repr)
    return JSONResponse({"detail": detail}, 422)
