"""Waiting for whichever comes first."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")


async def first_of(*racers: Coroutine[Any, Any, Result]) -> Result:
    """What the first to finish gives; the others are cancelled and have ended when this returns."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(racer) for racer in racers]
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
    return next(task for task in tasks if task in done).result()
