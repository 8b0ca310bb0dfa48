"""The clients' listening socket: shared by a gateway and its successor, and left without losing a connection.

With `SO_REUSEPORT` two processes listen on one port, each with connections of its own that wait to be
accepted. Closing a listening socket resets those of it. So whoever leaves first has the kernel send new ones
to its successor, then accepts what waits until nothing does, and only then closes.
"""

import asyncio
import contextlib
import ctypes
import socket
import struct
from collections.abc import Callable

SETTLE_SECONDS = 0.05
"""How long connections whose handshake was under way may still come in."""

_ATTACH_FILTER = 51
"""`SO_ATTACH_REUSEPORT_CBPF`, Linux; Python has no name for it."""
_RETURN = 0x06
"""`BPF_RET | BPF_K`: return a constant."""
_SUCCESSOR = 1
"""Index in the port's group, which is in the order of listening: the elder is 0."""


def listen(host: str, port: int, *, is_shared: bool = False) -> socket.socket:
    """A bound socket; port 0 takes any free one, a shared one may be bound by two gateways.

    Raises:
        OSError: the port is taken, or the address is not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if is_shared:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        bound.bind((host, port))
    except OSError:
        bound.close()
        raise
    return bound


class Door:
    """A second hold of a listening socket, which outlives the server's own."""

    def __init__(self, listening: socket.socket) -> None:
        self._socket = listening.dup()
        self._socket.setblocking(False)

    async def close(
        self, stop_server: Callable[[], None], make_protocol: Callable[[], asyncio.Protocol]
    ) -> None:
        """Let in everyone who is already at the door, then close it."""
        try:
            self._point_to_successor()
            await asyncio.sleep(SETTLE_SECONDS)
            stop_server()
            await self._let_in(make_protocol)
        finally:
            self._socket.close()

    def _point_to_successor(self) -> None:
        """Have the kernel choose the second listener of the port; without one it stays with the only one."""
        instruction = ctypes.create_string_buffer(struct.pack("HBBI", _RETURN, 0, 0, _SUCCESSOR))
        program = struct.pack("HP", 1, ctypes.addressof(instruction))
        with contextlib.suppress(OSError):  # the port is not shared
            self._socket.setsockopt(socket.SOL_SOCKET, _ATTACH_FILTER, program)

    async def _let_in(self, make_protocol: Callable[[], asyncio.Protocol]) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, _ = self._socket.accept()
            except BlockingIOError:
                return
            except ConnectionAbortedError:
                continue
            connection.setblocking(False)
            await loop.connect_accepted_socket(make_protocol, connection)
