"""The one thread in which the model lives: what is thread-bound is set up and used in the same."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

from runtime.replica.errors import ServiceExitError

T = TypeVar("T")


class InferenceThread:
    """Runs one call after the other, so that two can never overlap."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="inference")
        self._running = False

    @property
    def busy(self) -> bool:
        """Whether a call is running right now."""
        return self._running

    async def run(self, call: Callable[..., T], *args: Any) -> T:
        """What `call(*args)` returns or raises; it runs on even if the waiting is cancelled.

        Raises:
            ServiceExitError: The call tried to end the process.
        """
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, partial(self._contain, call, args))

    def close(self) -> None:
        """Take no more calls; does not wait for a running one."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _contain(self, call: Callable[..., T], args: tuple[Any, ...]) -> T:
        self._running = True
        try:
            return call(*args)
        except (SystemExit, KeyboardInterrupt, StopIteration, GeneratorExit) as exc:
            # The first two would end the event loop; a future cannot hold the others and would hang.
            raise ServiceExitError(f"the service raised {exc!r}") from exc
        finally:
            self._running = False
