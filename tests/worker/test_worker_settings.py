"""What a worker reads from its environment, and what it says where that cannot be."""

import subprocess
import sys

import pytest

from runtime.parsing import SettingsError
from runtime.worker.settings import REQUIRED, WorkerSettings

GIVEN = {
    "MOORAGE_QUEUE_URL": "valkey://127.0.0.1:6379",
    "MOORAGE_ENDPOINT": "embed",
    "MOORAGE_REPLICA": "embed-1",
    "MOORAGE_REVISION": "r1",
    "MOORAGE_MODEL_URL": "http://127.0.0.1:8080",
    "MOORAGE_HEALTH": "/healthcheck",
    "MOORAGE_PROBE_PORT": "8481",
    "MOORAGE_REQUEST_SECONDS": "900",
    "MOORAGE_OBJECTS": "valkey",
}


@pytest.mark.parametrize("name", REQUIRED)
def test_a_missing_setting_is_named(name: str) -> None:
    """One of them, with all that a worker needs."""
    given = {other: value for other, value in GIVEN.items() if other != name}

    with pytest.raises(SettingsError, match=f"^{name} is not set"):
        WorkerSettings.from_environment(given)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MOORAGE_PROBE_PORT", "70000"),
        ("MOORAGE_REQUEST_SECONDS", "soon"),
        ("MOORAGE_LEASE_SECONDS", "0"),
        ("MOORAGE_OBJECTS", "ftp://x"),
    ],
)
def test_a_wrong_setting_is_named_with_its_value(name: str, value: str) -> None:
    """And no traceback follows."""
    with pytest.raises(SettingsError, match=name):
        WorkerSettings.from_environment(GIVEN | {name: value})


def test_all_of_them_make_settings() -> None:
    """The lease has a default."""
    settings = WorkerSettings.from_environment(GIVEN)

    assert (settings.model_address, settings.probe_port) == (("127.0.0.1", 8080), 8481)
    assert (settings.request_seconds, settings.lease_seconds) == (900.0, 15.0)


def test_the_program_says_it_in_one_line() -> None:
    """A worker started by hand ends at once."""
    ended = subprocess.run(
        (sys.executable, "-m", "runtime.worker"),
        capture_output=True,
        text=True,
        timeout=15,
        check=False,
        env={},
    )

    assert ended.returncode == 1
    assert ended.stderr.startswith("moorage worker: MOORAGE_QUEUE_URL is not set.")
