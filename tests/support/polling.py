"""Waiting for a fact, with a deadline."""

import asyncio
from collections.abc import Callable

UNTIL_SECONDS = 15.0
POLL_SECONDS = 0.01


async def until(fact: Callable[[], object], seconds: float = UNTIL_SECONDS) -> None:
    """Return once the fact holds.

    Raises:
        TimeoutError: it did not within so many seconds, 15 unless given.
    """
    async with asyncio.timeout(seconds):
        while True:
            if fact():
                return
            await asyncio.sleep(POLL_SECONDS)
