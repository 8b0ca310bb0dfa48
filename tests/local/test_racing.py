"""Whichever comes first."""

import asyncio

import pytest

from runtime.local.racing import first_of


async def never(ended: list[str]) -> str:
    """Waits until it is cancelled."""
    try:
        await asyncio.Event().wait()
    finally:
        ended.append("cancelled")
    return "never"


async def told(text: str) -> str:
    """Says it at once."""
    return text


async def broken() -> str:
    """Fails at once."""
    raise KeyError("x")


async def test_the_first_wins_and_the_other_has_ended() -> None:
    """Not merely been told to end."""
    ended: list[str] = []

    assert await first_of(never(ended), told("first")) == "first"
    assert ended == ["cancelled"]


async def test_a_fault_comes_out_as_itself() -> None:
    """In no group."""
    with pytest.raises(KeyError):
        await first_of(never([]), broken())
