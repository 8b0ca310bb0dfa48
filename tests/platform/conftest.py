"""Platforms for the tests of the whole."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from support.platform import Platform, Starter, running_platform


@pytest.fixture
def start_platform(tmp_path: Path) -> Iterator[Starter]:
    """Starts a platform with these endpoints; it is down after the test."""
    with ExitStack() as stack:

        def start(endpoints: str, **options: Any) -> Platform:
            return stack.enter_context(running_platform(tmp_path, endpoints, **options))

        yield start
