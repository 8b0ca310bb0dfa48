"""The device plugin against a kubelet's socket: Go's own tests of it."""

import os
import shutil
import subprocess

import pytest
from cluster.go_modules import SOURCES

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.skipif(shutil.which("go") is None, reason="go is not installed"),
]


def test_the_plugin_keeps_its_promises_to_the_kubelet() -> None:
    """It registers with each kubelet that comes, tells its devices and names them to containers."""
    done = subprocess.run(
        ("go", "test", "-trimpath", "./..."),
        cwd=SOURCES / "device_plugin",
        env={**os.environ, "CGO_ENABLED": "0", "GOWORK": "off"},
        capture_output=True,
        text=True,
        timeout=290,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
