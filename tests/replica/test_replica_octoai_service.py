"""A service written for OctoAI's own server, with its package, unchanged."""

import subprocess
import sys
from pathlib import Path

import pytest
from support.served_replica import ROOT, served

SOURCE = """
    from octoai.service import Service, path
    from octoai.types import Image
    from pydantic import BaseModel

    class Prompt(BaseModel):
        text: str

    class Hello(Service):
        def setup(self) -> None:
            self.greeting = "hello "

        def infer(self, prompt: str) -> str:
            return self.greeting + prompt

        @path("/turn/around")
        def turn(self, prompt: Prompt, image: Image) -> Image:
            return image
"""


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_subclass_of_octoais_service_is_served(tmp_path: Path) -> None:
    """Its base class, its `@path` and its media types included."""
    uv = Path(sys.executable).with_name("uv")
    python = tmp_path / "venv" / "bin" / "python"
    needs = ROOT / "runtime" / "replica" / "requirements.txt"
    subprocess.run([uv, "venv", "-q", "--python", sys.executable, tmp_path / "venv"], check=True)
    install = f"{uv} pip install -q --python {python} octoai-sdk==0.10.1 -r {needs}"
    subprocess.run(install.split(), check=True)

    with served(tmp_path, SOURCE, python=python) as runner:
        runner.until_healthy()
        hello = runner.post(prompt="you")
        turned = runner.post("/turn/around", prompt={"text": "x"}, image={"data": "AAEC"})

    assert hello.json()["output"] == "hello you"
    assert turned.json()["output"] == {"data": "AAEC"}
