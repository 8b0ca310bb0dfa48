"""One supervisor a state folder, and one `up` at a time."""

import asyncio
import fcntl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path

from runtime.local.errors import LocalError

POLL_SECONDS = 0.1


class AlreadyRunningError(LocalError):
    """Another process holds the lock."""


@contextmanager
def sole_holder(path: Path) -> Iterator[None]:
    """Hold a lock that ends with this process, however it ends.

    Raises:
        AlreadyRunningError: another process holds it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyRunningError(f"{path.stem} runs in this folder already.") from None
        yield


@asynccontextmanager
async def in_turn(path: Path, seconds: float, waiting: Callable[[], None]) -> AsyncIterator[None]:
    """Hold a lock once whoever has it lets go; `waiting` is called once if that takes time.

    Raises:
        AlreadyRunningError: it was not let go within so many seconds.
    """
    deadline = asyncio.get_running_loop().time() + seconds
    with ExitStack() as held:
        is_told = False
        while True:
            try:
                held.enter_context(sole_holder(path))
                break
            except AlreadyRunningError:
                if asyncio.get_running_loop().time() > deadline:
                    raise
            if not is_told:
                waiting()
                is_told = True
            await asyncio.sleep(POLL_SECONDS)
        yield
