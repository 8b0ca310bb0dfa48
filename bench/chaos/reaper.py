"""`python -m bench.chaos.reaper PID STATE`: ends a platform when the harness was itself killed before it could."""

import asyncio
import sys
from pathlib import Path

from runtime.local.pids import identify, wait_gone
from runtime.local.strays import kill_strays

ROUNDS = 10
"""A supervisor may start something between the list and its own end, so that a second look is needed."""


async def end_all(state: Path) -> None:
    """SIGKILL every process of a platform, by the mark that each bears."""
    for _ in range(ROUNDS):
        if not await kill_strays(state, ()):
            return


async def outlive(pid: int, state: Path) -> None:
    """Wait for the end of the harness, then end its platform."""
    harness = identify(pid)
    if harness is not None:
        await wait_gone(harness)
    await end_all(state)


if __name__ == "__main__":
    asyncio.run(outlive(int(sys.argv[1]), Path(sys.argv[2])))
