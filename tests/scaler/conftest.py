"""What the scaler's suites start from."""

import pytest
from support.kube_scene import Scene


@pytest.fixture
def scene() -> Scene:
    """Nothing deployed, nothing waiting."""
    return Scene()
