"""Ctrl-C and SIGTERM: they cancel the work once; while a cluster goes down they are only answered."""

import asyncio
import signal
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

from cluster.progress import Tell

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interruption:
    """What the signals do to one piece of work."""

    def __init__(self, say: Tell) -> None:
        self._say = say
        self._task: asyncio.Task[Any] | None = None
        self._is_held = False

    async def ends(self, work: Callable[[], Coroutine[Any, Any, int]]) -> int:
        """Do the work; a signal cancels it, with the signal's name as the reason."""
        self._task = asyncio.current_task()
        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            loop.add_signal_handler(number, self._hear, number)
        return await work()

    @contextmanager
    def held_off(self) -> Iterator[None]:
        """What is done meanwhile goes on to its end."""
        held, self._is_held = self._is_held, True
        try:
            yield
        finally:
            self._is_held = held

    def _hear(self, number: signal.Signals) -> None:
        if self._is_held:
            self._say("The cluster is going down already; a moment.")
        elif self._task is not None:
            self._say(f"{number.name}: the cluster goes down.")
            self._task.cancel(number.name)
