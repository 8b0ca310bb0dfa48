"""Rate limits of tokens and of quickstarts' callers: token buckets in the queue, shared by all gateways.

What is left is told in the `RateLimit` and `RateLimit-Policy` fields (draft-ietf-httpapi-ratelimit-headers-10).
"""

import asyncio
import math
from collections.abc import Iterator

from runtime.gateway.errors import RateLimitedError
from runtime.gateway.incoming import RawHeaders
from runtime.gateway.looks import QUEUE_SECONDS, queue_away
from runtime.gateway.registry import Served
from runtime.queue.port import Allowance, Queue, QueueError
from runtime.wire import Rate, TokenGrant


class Rates:
    """Counts requests against the rates that hold for them."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue

    async def check(self, served: Served, grant: TokenGrant | None, client: str, headers: RawHeaders) -> None:
        """Count one request against its token's rate and the quickstart's rate.

        A quickstart's callers are told apart by token, or by address where none is needed. What is left is
        added to `headers`, which are those of the answer, be it a refusal.

        Raises:
            RateLimitedError: the caller has to wait; it says how long.
            QueueAwayError: the queue is away.
        """
        policies, left = [], []
        refusal: tuple[Rate, Allowance] | None = None
        for name, bucket, rate in _rates_of(served, grant, client):
            allowance = await self._count(bucket, rate)
            policies.append(f'"{name}";q={rate.count};w={rate.seconds}')
            left.append(f'"{name}";r={allowance.remaining};t={_reset_seconds(allowance)}')
            if not allowance.is_allowed:
                refusal = rate, allowance
                break
        if policies:
            headers.append((b"ratelimit-policy", ", ".join(policies).encode()))
            headers.append((b"ratelimit", ", ".join(left).encode()))
        if refusal is not None:
            rate, allowance = refusal
            raise RateLimitedError(
                f"The rate of {rate.count} requests in {rate.seconds} s is used up.",
                retry_after=allowance.retry_seconds,
            )

    async def _count(self, bucket: str, rate: Rate) -> Allowance:
        try:
            async with asyncio.timeout(QUEUE_SECONDS):
                return await self._queue.allow(bucket, rate.count, rate.seconds)
        except (QueueError, TimeoutError) as exc:
            raise queue_away() from exc


def _rates_of(served: Served, grant: TokenGrant | None, client: str) -> Iterator[tuple[str, str, Rate]]:
    """Name in the headers, bucket and rate of each limit that holds."""
    if grant is not None and grant.rate is not None:
        yield "token", f"token:{grant.name}", grant.rate
    if served.record.quickstart is not None:
        caller = f"token:{grant.name}" if grant is not None else f"address:{client}"
        yield "quickstart", f"quickstart:{served.name}:{caller}", served.record.quickstart


def _reset_seconds(allowance: Allowance) -> int:
    return math.ceil(allowance.reset_seconds if allowance.is_allowed else allowance.retry_seconds)
