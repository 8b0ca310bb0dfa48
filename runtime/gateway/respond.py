"""Writing whole answers of the gateway's own: JSON, and errors; straight to ASGI."""

import asyncio
import contextlib
import json

from starlette.types import Send

from runtime.gateway.bodies import INLINE_BYTES, BodyReader, ClientGoneError
from runtime.gateway.errors import BodyTimeoutError, GatewayError
from runtime.gateway.incoming import RawHeaders
from runtime.gateway.intake import Call
from runtime.wire.headers import REQUEST_ID

LINGER_SECONDS = 30.0
"""How long the rest of a refused body is read and dropped before its connection is closed."""
LINGER_BYTES = 256 * 1024 * 1024
"""How much of it."""

_REQUEST_ID = REQUEST_ID.encode()


def error_body(error: GatewayError, request_id: str | None) -> bytes:
    """The error as every caller reads it."""
    content = {"code": error.code, "message": error.message, "request_id": request_id}
    return json.dumps({"error": content}).encode()


async def send_json(
    send: Send, status: int, body: bytes, headers: RawHeaders, *, more_body: bool = False
) -> None:
    """One JSON answer; with `more_body` the connection's answer stays open, though nothing more follows."""
    framing = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": framing + headers})
    await send({"type": "http.response.body", "body": body, "more_body": more_body})


async def send_call_json(call: Call, status: int, body: bytes) -> None:
    """One JSON answer to an endpoint's caller."""
    await send_json(call.send, status, body, [(_REQUEST_ID, call.id.encode()), *call.headers])


async def refuse(
    send: Send,
    error: GatewayError,
    request_id: str,
    reader: BodyReader,
    declared: int,
    *,
    headers: RawHeaders | None = None,
) -> None:
    """Answer with an error, also in the middle of a large body.

    A client that is still sending would take a closed connection for a fault and never read the answer.
    So the answer goes out first, the rest of the body is dropped for a while, and then comes the end.
    """
    headers = [(_REQUEST_ID, request_id.encode()), *error.headers, *(headers or [])]
    body = error_body(error, request_id)
    if reader.is_read or declared <= INLINE_BYTES:
        await send_json(send, error.status, body, headers)
        return
    await send_json(send, error.status, body, [*headers, (b"connection", b"close")], more_body=True)
    with contextlib.suppress(TimeoutError, BodyTimeoutError, ClientGoneError):
        async with asyncio.timeout(LINGER_SECONDS):
            await reader.drop_rest(LINGER_BYTES)
    await send({"type": "http.response.body"})
