"""The platform's host at a gateway whose `/v1` is another program's.

Health is told here. A router of models by name, which enqueues as the data path does, belongs here too: before
`/v1` is passed on, and with the same `Visible` as the data path of the port.
"""

import asyncio
import re
from typing import TYPE_CHECKING

from starlette.types import ASGIApp, Receive, Scope, Send

from runtime.gateway.visible import Ingress

if TYPE_CHECKING:
    from runtime.gateway.forwarding import Forwarding

_SLASHES = re.compile(rb"/{2,}")
_API = b"/v1"


class PlatformHost:
    """An ASGI application: `/v1` to the platform API, the rest to the gateway's own."""

    def __init__(
        self, own: ASGIApp, forwarding: "Forwarding", ingress: Ingress, leaving: asyncio.Event
    ) -> None:
        self._own = own
        self._forwarding = forwarding
        self._ingress = ingress
        self._leaving = leaving

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; double slashes in a path count as one, as they do in process."""
        path = _SLASHES.sub(b"/", scope["raw_path"])
        if path == _API or path.startswith(_API + b"/"):
            await self._forwarding.forward(
                scope, receive, send, path=path, ingress=self._ingress, leaving=self._leaving
            )
        else:
            await self._own(scope, receive, send)
