"""A state folder of its own for each test."""

from pathlib import Path

import pytest

from runtime.local.settings import Settings, read_settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings of a project in a temporary folder."""
    return read_settings({"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}, tmp_path)
