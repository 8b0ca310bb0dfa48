"""How full the store of large bodies and answers is, and refusing large bodies when it is full or away."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog

from runtime.gateway.errors import GatewayError, StoreAwayError, StoreFullError
from runtime.gateway.registry import Endpoints
from runtime.gateway.room import MIB
from runtime.objects import (
    FolderObjects,
    ObjectError,
    Objects,
    ObjectsAwayError,
    ObjectsFullError,
    SharesRoom,
)

MEASURE_SECONDS = 2.0
"""How long a measurement counts; what is let in meanwhile is added to it."""
SHARE_SECONDS = 10.0
"""How often a store that shares its room among endpoints hears how much each may take."""
LEAST_RETRY_SECONDS = 10.0
"""Objects go when what waits has run, and not sooner."""
AWAY_RETRY_SECONDS = 5.0


class StoreRoom:
    """The bound on all objects together; a bucket has none of ours."""

    def __init__(
        self,
        objects: Objects,
        endpoints: Endpoints,
        clock: Callable[[], float],
        most_bytes: int,
        log: structlog.typing.FilteringBoundLogger,
    ) -> None:
        self._objects = objects
        self._endpoints = endpoints
        self._clock = clock
        self._most_bytes = most_bytes
        self._log = log
        self._used = 0
        self._measured_at: float | None = None

    async def check(self, size: int, retry_seconds: float) -> None:
        """Count a large body of so many bytes.

        Raises:
            StoreFullError: there is no room for it.
            StoreAwayError: nobody can say.
        """
        now = self._clock()
        if self._measured_at is None or now - self._measured_at > MEASURE_SECONDS:
            self._measured_at = now
            with told_as_refusals():
                self._used = await self._measure()
        if self._used + size > self._most_bytes:
            raise StoreFullError(
                f"The object store holds its {self._most_bytes // MIB} MiB, so no large body was taken.",
                retry_after=max(LEAST_RETRY_SECONDS, retry_seconds),
            )
        self._used += size

    async def follow(self) -> None:
        """Tell a store that shares its room, for ever: workers' answers are held to it, too."""
        while isinstance(self._objects, SharesRoom):
            try:
                await self._measure()
            except ObjectError as exc:
                self._log.warning("objects not measured", fault=str(exc))
            await asyncio.sleep(SHARE_SECONDS)

    async def _measure(self) -> int:
        if isinstance(self._objects, SharesRoom):
            return await self._objects.share_room(self._endpoints.records.endpoints, self._most_bytes)
        return await self._objects.used_bytes() if isinstance(self._objects, FolderObjects) else 0


@contextmanager
def told_as_refusals() -> Iterator[None]:
    """Faults of the object store become refusals.

    Raises:
        GatewayError: the store is full or away.
    """
    try:
        yield
    except (ObjectsFullError, ObjectsAwayError) as exc:
        raise _refusal(exc) from exc


def _refusal(fault: ObjectError) -> GatewayError:
    if isinstance(fault, ObjectsFullError):
        return StoreFullError(
            "The object store has no room, so no large body was taken.", retry_after=LEAST_RETRY_SECONDS
        )
    return StoreAwayError("The object store cannot be reached.", retry_after=AWAY_RETRY_SECONDS)
