"""Waiting for a fact, with a deadline."""

import asyncio
from collections.abc import Callable

UNTIL_SECONDS = 15.0
POLL_SECONDS = 0.01


async def until(fact: Callable[[], object]) -> None:
    """Return once the fact holds.

    Raises:
        TimeoutError: it did not within 15 s.
    """
    async with asyncio.timeout(UNTIL_SECONDS):
        while True:
            if fact():
                return
            await asyncio.sleep(POLL_SECONDS)
