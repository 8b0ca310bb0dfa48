"""Loopback ports for servers of tests that must know theirs before they listen.

They come from below the ephemeral range: there the kernel gives a port that was just found free to the next
outgoing connection, or to the next server that asks for any, before the test's own server listens.
"""

import itertools
import os
import random
import socket
from collections.abc import Iterator

FIRST_PORT, LAST_PORT = 10_000, 19_999
"""Beside what the local platform gives to its replicas."""
WORKERS = 8
"""Processes of one test run that share the range; each has a part of its own."""


def _candidates() -> Iterator[int]:
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % WORKERS
    size = (LAST_PORT + 1 - FIRST_PORT) // WORKERS
    first = FIRST_PORT + worker * size
    start = random.SystemRandom().randrange(size)  # another run on this machine starts elsewhere
    return (first + (start + step) % size for step in itertools.count())


_NEXT = _candidates()


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on; the same one again only after a thousand others.

    Raises:
        OSError: none of the process's part is free.
    """
    for port in itertools.islice(_NEXT, (LAST_PORT + 1 - FIRST_PORT) // WORKERS):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise OSError("no free port for a test on 127.0.0.1")
