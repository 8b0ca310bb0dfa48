"""Rate limits: at most so many requests of one caller in any so many seconds, kept by each gateway alone."""

from collections import OrderedDict, deque
from collections.abc import Callable

from runtime.gateway.errors import RateLimitedError
from runtime.gateway.registry import Served
from runtime.wire import Rate, TokenGrant

MOST_CALLERS = 10_000
"""Callers remembered; the one silent for longest is forgotten first."""


class Rates:
    """When each caller's last requests were."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._calls: OrderedDict[tuple[str, str], deque[float]] = OrderedDict()

    def check(self, served: Served, grant: TokenGrant | None, client: str) -> None:
        """Count one request against its token's rate and the quickstart's rate.

        A quickstart's callers are told apart by token, or by address where none is needed.

        Raises:
            RateLimitedError: the caller has to wait; it says how long.
        """
        if grant is not None and grant.rate is not None:
            self._count(("", grant.name), grant.rate)
        quickstart = served.record.quickstart
        if quickstart is not None:
            self._count((served.name, grant.name if grant is not None else client), quickstart)

    def _count(self, caller: tuple[str, str], rate: Rate) -> None:
        now = self._clock()
        calls = self._calls.get(caller)
        if calls is None or calls.maxlen != rate.count:
            calls = self._calls[caller] = deque(calls or (), maxlen=rate.count)
        self._calls.move_to_end(caller)
        if len(self._calls) > MOST_CALLERS:
            self._calls.popitem(last=False)
        if len(calls) == rate.count and now < calls[0] + rate.seconds:
            raise RateLimitedError(
                f"The rate of {rate.count} requests in {rate.seconds} s is used up.",
                retry_after=calls[0] + rate.seconds - now,
            )
        calls.append(now)
