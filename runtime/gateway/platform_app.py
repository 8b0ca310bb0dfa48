"""The platform's own application: what is not for an endpoint. Routed by Starlette; errors as everywhere."""

import re
from collections.abc import Sequence
from http import HTTPStatus

import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from runtime.gateway.errors import GatewayError, InternalError, MethodError, UnknownRouteError
from runtime.gateway.respond import error_body
from runtime.wire import is_request_id
from runtime.wire.headers import REQUEST_ID

_SLASHES = re.compile(r"/{2,}")


def platform_app(routes: Sequence[Route], hint: str, log: structlog.typing.FilteringBoundLogger) -> ASGIApp:
    """An application of these routes; double slashes in a path count as one.

    `hint` tells whoever asks for another path where things are.
    """

    def on_gateway_error(request: Request, exc: Exception) -> Response:
        error = exc if isinstance(exc, GatewayError) else InternalError("The gateway failed.")
        return error_response(error, request)

    def on_http_error(request: Request, exc: Exception) -> Response:
        is_method = isinstance(exc, HTTPException) and exc.status_code == HTTPStatus.METHOD_NOT_ALLOWED
        return error_response(_no_method(request) if is_method else _no_route(request, hint), request)

    async def on_fault(request: Request, exc: Exception) -> Response:
        log.error("internal error", path=request.url.path, exc_info=exc)
        return error_response(InternalError("The gateway failed; its log tells why."), request)

    inside = Starlette(
        routes=list(routes),
        exception_handlers={
            GatewayError: on_gateway_error,
            HTTPException: on_http_error,
            Exception: on_fault,
        },
    )
    inside.router.redirect_slashes = False

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        # One of the original clients asks for `//v1/…`; a redirect would lose its body.
        await inside({**scope, "path": _SLASHES.sub("/", scope["path"])}, receive, send)

    return app


def error_response(error: GatewayError, request: Request) -> Response:
    """An error as a response; of a request, when the path names one."""
    request_id = request.path_params.get("request_id")
    if request_id is not None and not is_request_id(request_id):
        request_id = None
    response = Response(
        error_body(error, request_id), status_code=error.status, media_type="application/json"
    )
    response.raw_headers += error.headers
    if request_id is not None:
        response.headers[REQUEST_ID] = request_id
    return response


def _no_route(request: Request, hint: str) -> UnknownRouteError:
    return UnknownRouteError(f"The platform has no path {request.scope['path'][:200]!r}. {hint}")


def _no_method(request: Request) -> MethodError:
    return MethodError(f"{request.method} is not for the path {request.url.path[:200]!r}.")
