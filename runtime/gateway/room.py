"""What one gateway process takes on at one time: waiting clients, and bytes of bodies being read."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from runtime.gateway.errors import GatewayError, GatewayFullError, NotReadyError

MIB = 1024 * 1024
_WEIGHT = 0.2
"""Of the latest stay in the moving average."""


@dataclass(frozen=True, slots=True)
class Most:
    """Bounds of one gateway in all; the defaults fit one machine."""

    clients: int = 2000
    """Sync requests that wait or run."""
    body_mib: int = 512
    """Request bodies that are being read."""
    store_mib: int = 20 * 1024
    """Objects: large bodies and answers."""


DEFAULT_MOST = Most()


class Room:
    """Counts what is inside; at its bounds it refuses, and at the gateway's end it empties."""

    def __init__(self, clock: Callable[[], float], most: Most = DEFAULT_MOST) -> None:
        self._clock = clock
        self._most_clients = most.clients
        self._most_body_bytes = most.body_mib * MIB
        self._clients = 0
        self._body_bytes = 0
        self._stay_seconds = 1.0
        self._closed: GatewayError | None = None
        self.is_serving = False
        """Whether the clients' port is open."""
        self.is_leaving = asyncio.Event()
        """Set when the gateway was told to stop: what has no end of its own ends."""
        self.is_empty = asyncio.Event()
        self.is_empty.set()

    @property
    def clients(self) -> int:
        """How many are inside."""
        return self._clients

    @property
    def body_bytes(self) -> int:
        """Bytes of the bodies that are being read, as far as they are known."""
        return self._body_bytes

    @contextmanager
    def client(self) -> Iterator[None]:
        """Inside, one client more is waiting.

        Raises:
            GatewayFullError: there are as many as there may be.
            GatewayError: the gateway is closed.
        """
        self.check_open()
        if self._clients >= self._most_clients:
            raise self._full(f"{self._most_clients} clients are waiting at this gateway")
        self._clients += 1
        self.is_empty.clear()
        begun = self._clock()
        try:
            yield
        finally:
            self._stay_seconds += _WEIGHT * (self._clock() - begun - self._stay_seconds)
            self._clients -= 1
            if not self._clients:
                self.is_empty.set()

    @contextmanager
    def body(self) -> Iterator["BodyRoom"]:
        """Inside, a body is being read."""
        held = BodyRoom(self)
        try:
            yield held
        finally:
            self._body_bytes -= held.size

    def check_open(self) -> None:
        """Return while the gateway takes requests.

        Raises:
            GatewayError: it is closed.
        """
        if self._closed is not None:
            raise self._closed

    def check_serving(self) -> None:
        """Return while new clients can come.

        Raises:
            GatewayError: not yet, or not any more.
        """
        if not self.is_serving or self.is_leaving.is_set():
            raise NotReadyError("This gateway does not take clients now.", retry_after=1.0)

    def close(self, error: GatewayError) -> None:
        """Let nobody in any more."""
        self._closed = error

    def take_bytes(self, number: int, held: int) -> None:
        """Count so many bytes more of a body that holds some already; one alone may be of any size.

        Raises:
            GatewayFullError: too many are being read.
        """
        others = self._body_bytes - held
        if others and self._body_bytes + number > self._most_body_bytes:
            mib = self._most_body_bytes // MIB
            raise self._full(f"{mib} MiB of request bodies are being read at this gateway")
        self._body_bytes += number

    def _full(self, what: str) -> GatewayFullError:
        """Clients stay so long on average, so one of many leaves in that part of it."""
        seconds = self._stay_seconds / max(1, self._clients)
        return GatewayFullError(f"{what}, as many as may be. Try again.", retry_after=seconds)


class BodyRoom:
    """The room that one body takes while it is read."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self.size = 0

    def grow(self, size: int) -> None:
        """Make room for so many bytes in all.

        Raises:
            GatewayFullError: too many are being read.
        """
        if size > self.size:
            self._room.take_bytes(size - self.size, self.size)
            self.size = size
