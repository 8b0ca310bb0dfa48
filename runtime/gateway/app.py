"""The clients' ASGI application: endpoints' requests on the data path, everything else to the platform's own.

The data path makes no framework object: one pass over the headers, one record, one call.
"""

import structlog
from starlette.types import ASGIApp, Receive, Scope, Send

from runtime.gateway.access import admit
from runtime.gateway.addresses import Addresses, Destination
from runtime.gateway.asynchronous import AsyncCalls
from runtime.gateway.bodies import INLINE_BYTES, BodyReader, ClientGoneError
from runtime.gateway.errors import (
    GatewayError,
    InternalError,
    SwitchedOffError,
    UnknownEndpointError,
    UnknownHostError,
    WebSocketError,
)
from runtime.gateway.health import Health
from runtime.gateway.incoming import Incoming, client_behind, read_incoming
from runtime.gateway.intake import Call
from runtime.gateway.keys import read_key
from runtime.gateway.metrics import Metrics
from runtime.gateway.priorities import read_priority
from runtime.gateway.rates import Rates
from runtime.gateway.registry import Served
from runtime.gateway.respond import refuse, send_call_json
from runtime.gateway.room import Room
from runtime.gateway.sync import SyncCalls
from runtime.gateway.tracing import Tracing
from runtime.gateway.visible import Visible
from runtime.wire import new_request_id

_HEALTHY = b'{"status": "ok"}'
_NO_ENDPOINT = "unknown"
"""What stands before the id of a request to an endpoint that does not exist."""


class GatewayApp:
    """Serves one client port."""

    def __init__(
        self,
        *,
        visible: Visible,
        addresses: Addresses,
        rates: Rates,
        room: Room,
        tracing: Tracing,
        sync: SyncCalls,
        asynchronous: AsyncCalls,
        health: Health,
        platform: ASGIApp,
        proxies: int,
        metrics: Metrics,
        log: structlog.typing.FilteringBoundLogger,
    ) -> None:
        self._visible = visible
        self._addresses = addresses
        self._rates = rates
        self._room = room
        self._tracing = tracing
        self._sync = sync
        self._asynchronous = asynchronous
        self._health = health
        self._platform = platform
        self._proxies = proxies
        self._metrics = metrics
        self._log = log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        incoming = read_incoming(scope)
        incoming.client = client_behind(incoming, self._proxies)
        reader = BodyReader(receive)
        try:
            destination = self._addresses.destination_of(incoming)
            served = self._visible.find(destination.endpoint) if destination is not None else None
        except (UnknownHostError, UnknownEndpointError) as error:
            self._metrics.came(self._visible.ingress, "unknown")
            self._metrics.refused("", error.code)
            await refuse(send, error, new_request_id(_NO_ENDPOINT), reader, _unread_bytes(incoming))
            return
        if destination is None or served is None:
            self._metrics.came(self._visible.ingress, "platform")
            await self._platform(scope, receive, send)
            return
        self._metrics.came(self._visible.ingress, "endpoint")
        reader.most_bytes = served.most_body_bytes
        call = Call(
            new_request_id(served.name),
            served,
            incoming,
            destination.target,
            reader,
            send,
            ingress=self._visible.ingress,
        )
        with self._tracing.span(call):
            await self._serve(call, destination)

    async def _serve(self, call: Call, destination: Destination) -> None:
        try:
            await self._dispatch(call, destination)
        except GatewayError as error:
            await self._refuse(call, error)
        except ClientGoneError:
            self._metrics.count(call.served.name, "gone")
        except Exception:  # noqa: BLE001 - the edge of the request's task: logged, and answered
            self._log.exception("internal error", request_id=call.id)
            await self._refuse(call, InternalError("The gateway failed; its log tells why."))

    async def _dispatch(self, call: Call, destination: Destination) -> None:
        served, incoming = call.served, call.incoming
        if incoming.is_websocket:
            raise WebSocketError(
                "Endpoints do not speak WebSocket, for every request is queued. Send HTTP requests instead;"
                " server-sent events and chunked answers stream as they come."
            )
        grant = admit(served, incoming.authorization, self._visible.records.tokens)
        if incoming.method == "GET" and destination.path == served.health:
            await self._health.check(served)
            await self._answer(call, 200, _HEALTHY, "health")
            return
        self._room.check_open()
        call.priority = read_priority(incoming.priority, grant)
        call.key = read_key(incoming.key)
        call.caller = f"token:{grant.name}" if grant is not None else f"address:{incoming.client}"
        _check_switched_on(served)
        await self._rates.check(served, grant, incoming.client, call.headers)
        if incoming.is_async:
            await self._answer(call, 201, await self._asynchronous.serve(call), "accepted")
            self._log.info("request accepted", request_id=call.id)
        else:
            await self._sync.serve(call)

    async def _answer(self, call: Call, status: int, body: bytes, outcome: str) -> None:
        self._metrics.count(call.served.name, outcome)
        await send_call_json(call, status, body)

    async def _refuse(self, call: Call, error: GatewayError) -> None:
        self._metrics.count(call.served.name, "refused")
        self._metrics.refused(call.served.name, error.code)
        self._log.info("request refused", request_id=call.id, code=error.code)
        await refuse(call.send, error, call.id, call.body, _unread_bytes(call.incoming), headers=call.headers)


def _check_switched_on(served: Served) -> None:
    if served.record.scaling.max == 0:
        raise SwitchedOffError(f"The endpoint {served.name!r} is switched off: its replicas.max is 0.")


def _unread_bytes(incoming: Incoming) -> int:
    """How large its body is: more than any small one where it does not say."""
    if incoming.content_length is not None:
        return incoming.content_length
    return INLINE_BYTES + 1 if incoming.is_framed else 0
