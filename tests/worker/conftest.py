"""The stage of the worker's tests."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.worker_scene import StageHand


@pytest.fixture
async def stage_hand(tmp_path: Path) -> AsyncIterator[StageHand]:
    """Builds the scene of a test."""
    hand = StageHand(tmp_path / "objects")
    yield hand
    await hand.strike()
