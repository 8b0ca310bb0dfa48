"""What the checks of the AWS backend share: the programs that judge its stacks."""

import subprocess
import sys
from pathlib import Path

import pytest
from uv import find_uv_bin

REQUIREMENTS = Path(__file__).parent / "requirements.txt"


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where checkov and moto are, in an environment of their own: they want other versions than ours."""
    folder, uv = tmp_path_factory.mktemp("aws-programs") / "venv", find_uv_bin()
    subprocess.run((uv, "venv", "--quiet", "--python", sys.executable, folder), check=True)
    given = ("--quiet", "--python", folder, "--require-hashes", "--requirements", REQUIREMENTS)
    subprocess.run((uv, "pip", "install", *given), check=True)
    return folder / "bin"
