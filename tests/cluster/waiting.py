"""Waiting for a fact of the cluster: with a deadline, and not a moment longer than those it depends on run."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from cluster.errors import ClusterError
from cluster.processes import Processes

POLL_SECONDS = 0.2


async def until(
    what: str,
    fact: Callable[[], Awaitable[bool]],
    seconds: float,
    processes: Processes,
    watched: Sequence[str],
) -> None:
    """Return once the fact holds.

    Args:
        what: the fact, as a sentence that begins with what is to come about: `The API server answers`.
        fact: whether it holds; it may take its time.
        seconds: how long at most.
        processes: whose logs are shown when it does not hold.
        watched: daemons without which it never will.

    Raises:
        ClusterError: a watched daemon has ended, or the time is over; with the last lines of their logs.
    """
    try:
        async with asyncio.timeout(seconds):
            while not await fact():
                processes.require(watched)
                await asyncio.sleep(POLL_SECONDS)
    except TimeoutError:
        logs = "\n".join(f"{name}:\n{processes.last_lines(name)}" for name in watched)
        raise ClusterError(f"Not so after {seconds:g} s: {what}.\n{logs}") from None
