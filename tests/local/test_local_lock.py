"""One `up` of a folder at a time; the next waits its turn."""

import asyncio
from pathlib import Path

import pytest

from runtime.local.lock import AlreadyRunningError, in_turn, sole_holder


async def test_the_second_waits_for_the_first_and_says_so_once(tmp_path: Path) -> None:
    """It goes on when the first lets go."""
    told: list[str] = []
    order: list[str] = []

    async def first() -> None:
        async with in_turn(tmp_path / "up.lock", 5, lambda: None):
            order.append("first")
            await asyncio.sleep(0.3)
            order.append("first ends")

    async def second() -> None:
        async with in_turn(tmp_path / "up.lock", 5, lambda: told.append("waiting")):
            order.append("second")

    await asyncio.gather(first(), second())

    assert order == ["first", "first ends", "second"]
    assert told == ["waiting"]


async def test_a_turn_that_does_not_come_is_an_error(tmp_path: Path) -> None:
    """Never a wait without an end."""
    with (
        sole_holder(tmp_path / "up.lock"),
        pytest.raises(AlreadyRunningError, match="up runs in this folder"),
    ):
        async with in_turn(tmp_path / "up.lock", 0, lambda: None):
            pass
