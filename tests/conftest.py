"""What all tests share: the golden files' switch, and two small templates."""

from collections.abc import Mapping

import pytest

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
def templates() -> Mapping[str, Template]:
    """`ocr`, run from its own folder, and `speech`, an image."""
    texts = {
        "ocr": TEMPLATE.format(output="image", source="hardware: cpu"),
        "speech": TEMPLATE.format(output="stream", source="image: ghcr.io/acme/speech:2"),
    }
    return {name: parse_template(text, f"templates/{name}") for name, text in texts.items()}
