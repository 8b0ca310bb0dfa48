"""Waiting for whichever comes first."""

import asyncio
from collections.abc import Coroutine
from typing import Any, Generic, TypeVar

Result = TypeVar("Result")


class _Finish(Generic[Result]):
    """How a racer ended; its fault is kept so that it comes out as itself, not in a group."""

    def __init__(self, value: Result | None, fault: Exception | None) -> None:
        self._value = value
        self._fault = fault

    def unwrap(self) -> Result:
        if self._fault is not None:
            raise self._fault
        return self._value  # type: ignore[return-value]  # without a fault there is a value


async def first_of(*racers: Coroutine[Any, Any, Result]) -> Result:
    """What the first to finish gives or raises; the others are cancelled and have ended by then."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_finish(racer)) for racer in racers]
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
    return next(task for task in tasks if task in done).result().unwrap()


async def _finish(racer: Coroutine[Any, Any, Result]) -> _Finish[Result]:
    try:
        return _Finish(await racer, None)
    except Exception as exc:  # noqa: BLE001 - raised again by `unwrap`
        return _Finish(None, exc)
