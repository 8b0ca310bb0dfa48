"""Async calls: the client gets an id at once and asks for the answer later."""

import json

from runtime.gateway.addresses import Addresses
from runtime.gateway.intake import Call, Intake


class AsyncCalls:
    """Serves calls with `X-OctoAI-Async: 1`."""

    def __init__(self, intake: Intake, addresses: Addresses) -> None:
        self._intake = intake
        self._addresses = addresses

    async def serve(self, call: Call) -> bytes:
        """Journal the call; the body of the 201 comes back.

        Raises:
            GatewayError: it was not accepted.
        """
        enqueued, _ = await self._intake.enqueue(call)
        await self._intake.explain(call, enqueued.position)
        base = self._addresses.platform_url(call.incoming)
        return json.dumps({"response_id": call.id, "poll_url": poll_url(base, call.id)}).encode()


def poll_url(base: str, request_id: str) -> str:
    """Where a request's state is."""
    return f"{base}/v1/requests/{request_id}"


def response_url(base: str, request_id: str) -> str:
    """Where a request's answer is."""
    return f"{base}/v1/responses/{request_id}"
