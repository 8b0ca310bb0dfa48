"""Free loopback ports for the platform's processes."""

import random
import socket
from collections.abc import Collection

RANGE = range(20000, 32000)
"""Below the usual ephemeral range, so that no outgoing connection takes one before its server listens."""
TRIES = 200


def is_free(port: int) -> bool:
    """Whether a server could listen on this loopback port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def next_free(port: int) -> int:
    """The first free loopback port above this one; the one above it where a hundred are taken."""
    above = range(port + 1, min(port + 101, 65_536))
    return next(filter(is_free, above), port + 1)


def free_port(reserved: Collection[int], chance: random.Random) -> int:
    """A loopback port that is free now and not among those already promised.

    Raises:
        OSError: none was found in 200 tries.
    """
    for _ in range(TRIES):
        port = chance.choice(RANGE)
        if port not in reserved and is_free(port):
            return port
    raise OSError(f"no free port from {RANGE.start} to {RANGE.stop - 1} on 127.0.0.1")


class Ports:
    """Ports promised to replicas: no two get the same one, even before either listens."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._promised: set[int] = set()

    def take(self) -> int:
        """A free port, promised to the caller.

        Raises:
            OSError: there is none.
        """
        port = free_port(self._promised, self._chance)
        self._promised.add(port)
        return port

    def keep(self, ports: Collection[int]) -> None:
        """Count ports as promised: adopted replicas have them."""
        self._promised.update(ports)

    def free(self, ports: Collection[int]) -> None:
        """Take promises back."""
        self._promised.difference_update(ports)
