"""What all tests share: the golden files' switch, recordings of whole plans, and two small templates."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from support.recordings import record_all

from infra.plan.recording import Recording
from infra.spec.templates import Template, parse_template

TEMPLATE = """
title: A model
description: Made up for tests.
route: /infer
output: {output}
license: {{name: MIT, source: nowhere}}
defaults:
  {source}
  replicas: {{min: 0, max: 2}}
  env: {{MODE: fast, SIZE: small}}
input: {{type: object}}
examples: [{{title: One, body: {{text: hello}}}}]
"""


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--update-golden` rewrites the golden files; read the difference before keeping it."""
    parser.addoption("--update-golden", action="store_true", help="rewrite golden files")


@pytest.fixture
def update_golden(request: pytest.FixtureRequest) -> bool:
    """Whether golden files are to be rewritten."""
    return bool(request.config.getoption("--update-golden"))


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
def templates() -> Mapping[str, Template]:
    """`ocr`, run from its own folder, and `speech`, an image."""
    texts = {
        "ocr": TEMPLATE.format(output="image", source="hardware: cpu"),
        "speech": TEMPLATE.format(output="stream", source="image: ghcr.io/acme/speech:2"),
    }
    return {name: parse_template(text, f"templates/{name}") for name, text in texts.items()}
