"""What the checks of the AWS backend share: recordings of its stacks, and the programs that judge them."""

import subprocess
import sys
from pathlib import Path

import pytest
from support.recordings import record_all
from uv import find_uv_bin

from infra.plan.recording import Recording

REQUIREMENTS = Path(__file__).parent / "requirements.txt"


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    """A folder that all test workers of a run have in common."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if hasattr(request.config, "workerinput") else own


@pytest.fixture(scope="session")
def recorded(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Recording]:
    """The golden cases by name, and `stack-<name>` for each stack of the repository."""
    return record_all(shared, tmp_path_factory.mktemp)


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where checkov and moto are, in an environment of their own: they want other versions than ours."""
    folder, uv = tmp_path_factory.mktemp("aws-programs") / "venv", find_uv_bin()
    subprocess.run((uv, "venv", "--quiet", "--python", sys.executable, folder), check=True)
    given = ("--quiet", "--python", folder, "--require-hashes", "--requirements", REQUIREMENTS)
    subprocess.run((uv, "pip", "install", *given), check=True)
    return folder / "bin"
