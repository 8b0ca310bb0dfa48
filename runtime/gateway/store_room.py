"""How full the store of large bodies and answers is, and refusing large bodies when it is full."""

from collections.abc import Awaitable, Callable

from runtime.gateway.errors import StoreFullError
from runtime.gateway.room import MIB

MEASURE_SECONDS = 2.0
"""How long a measurement counts; what is let in meanwhile is added to it."""
LEAST_RETRY_SECONDS = 10.0
"""Objects go when what waits has run, and not sooner."""


class StoreRoom:
    """The bound on all objects together."""

    def __init__(
        self, measure: Callable[[], Awaitable[int]] | None, clock: Callable[[], float], most_bytes: int
    ) -> None:
        """`measure` gives the bytes of all objects; without it the store has no bound of ours."""
        self._measure = measure
        self._clock = clock
        self._most_bytes = most_bytes
        self._used = 0
        self._measured_at: float | None = None

    async def check(self, size: int, retry_seconds: float) -> None:
        """Count a large body of so many bytes.

        Raises:
            StoreFullError: there is no room for it.
        """
        if self._measure is None:
            return
        now = self._clock()
        if self._measured_at is None or now - self._measured_at > MEASURE_SECONDS:
            self._measured_at = now
            self._used = await self._measure()
        if self._used + size > self._most_bytes:
            raise StoreFullError(
                f"The object store holds its {self._most_bytes // MIB} MiB, so no large body was taken.",
                retry_after=max(LEAST_RETRY_SECONDS, retry_seconds),
            )
        self._used += size
