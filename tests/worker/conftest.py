"""The stage of the worker's tests."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import uvloop
from support.worker_scene import StageHand


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The loop that workers ship with; its transports differ from asyncio's."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture
async def stage_hand(tmp_path: Path) -> AsyncIterator[StageHand]:
    """Builds the scene of a test."""
    hand = StageHand(tmp_path / "objects")
    yield hand
    await hand.strike()
