"""The stage of the gateway's tests."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.gateway_stage import Stage, gateway_stage


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    """A running gateway with one public endpoint, `embed`."""
    async with gateway_stage(tmp_path) as running:
        yield running
