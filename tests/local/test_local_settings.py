"""The environment of the platform."""

import os
from pathlib import Path

import pytest

from runtime.local.errors import SettingsError
from runtime.local.settings import read_settings


def test_an_empty_environment_gives_the_defaults(tmp_path: Path) -> None:
    """Port 8484, `.moorage` in the project, one slot a CPU."""
    settings = read_settings({}, tmp_path)

    assert settings.url == "http://127.0.0.1:8484"
    assert settings.state == tmp_path / ".moorage"
    assert settings.slots == len(os.sched_getaffinity(0))
    assert settings.appendfsync == "everysec"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MOORAGE_PORT", "0"),
        ("MOORAGE_PORT", "65536"),
        ("MOORAGE_SLOTS", "two"),
        ("MOORAGE_SLOTS", "-1"),
        ("MOORAGE_APPENDFSYNC", "never"),
        ("MOORAGE_QUEUE_MIB", "1.5"),
    ],
)
def test_a_wrong_value_names_its_variable(tmp_path: Path, name: str, value: str) -> None:
    """And shows what it holds."""
    with pytest.raises(SettingsError, match=f"{name}: '{value}'"):
        read_settings({name: value}, tmp_path)


def test_settings_never_show_the_environment(tmp_path: Path) -> None:
    """It holds secrets."""
    settings = read_settings({"MOORAGE_SECRET_DB_URL": "hunter22"}, tmp_path)

    assert "hunter22" not in repr(settings)
