"""Loopback ports."""

import random
import socket

import pytest

from runtime.local.ports import RANGE, Ports, free_port, is_free

CHANCE = random.Random()  # noqa: S311 - which free port is no secret


class FixedChance(random.Random):
    """Chooses what it is told, in order."""

    def __init__(self, ports: list[int]) -> None:
        super().__init__()
        self._ports = ports

    def choice(self, _: object) -> int:  # type: ignore[override]  # the choices are ports
        """The next one."""
        return self._ports.pop(0)


def test_a_port_in_use_is_not_free() -> None:
    """Somebody listens there."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken = server.getsockname()[1]

        assert not is_free(taken)


def test_a_promised_port_is_not_given_twice() -> None:
    """Though nobody listens there yet."""
    first = free_port((), CHANCE)
    ports = Ports(FixedChance([first, first, first + 1]))

    assert ports.take() == first
    assert ports.take() == first + 1


def test_ports_lie_below_the_ephemeral_range() -> None:
    """Outgoing connections take theirs from above."""
    assert free_port((), CHANCE) in RANGE


def test_no_free_port_is_an_error_not_a_loop() -> None:
    """After a bounded number of tries."""
    with pytest.raises(OSError, match="no free port"):
        free_port(set(RANGE), CHANCE)
