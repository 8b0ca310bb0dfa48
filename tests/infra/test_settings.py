"""`pulumi.Config` gives the program exactly what the loader reads from the file."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pulumi
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pulumi.runtime import config as pulumi_config
from support.plans import stacks

from infra.settings import read_secrets, read_settings
from infra.spec.errors import SpecError
from infra.spec.load_stack import PREFIX, load_stack
from infra.spec.source import parse
from infra.spec.stack import Stack

GOLDEN = Path(__file__).parent.parent / "golden"
FULL = (GOLDEN / "every-field" / "Pulumi.prod.yaml").read_text("utf-8")
NAME = "stacks/Pulumi.prod.yaml"


@pytest.fixture(autouse=True)
def no_config() -> Iterator[None]:
    """Pulumi's configuration is the process's; the next test finds none."""
    yield
    pulumi_config.set_all_config({})


def told(config: Mapping[str, Any]) -> None:
    """The configuration as the engine hands it on: text as it is, all else as JSON."""
    given_texts = {key: item if isinstance(item, str) else json.dumps(item) for key, item in config.items()}
    pulumi_config.set_all_config(given_texts)


def seen() -> Stack:
    """What the program then reads."""
    return read_settings(pulumi.Config("moorage"), "prod")


def test_full_file_is_read_alike_by_both() -> None:
    """Every key of the format."""
    told(parse(FULL, NAME).value["config"])

    assert seen() == load_stack(FULL, NAME).settings


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    stack=stacks(),
    context=st.text('abc{}[]":,0 ', min_size=1, max_size=9) | st.sampled_from(["true", "null", "1"]),
)
def test_any_right_settings_are_read_alike_by_both(stack: Stack, context: str) -> None:
    """Also text that looks like JSON."""
    values = stack.model_copy(update={"context": context}).model_dump(mode="json", exclude_defaults=True)
    text = yaml.safe_dump({"config": {f"{PREFIX}{key}": item for key, item in values.items()}})
    told(parse(text, NAME).value["config"])

    assert seen() == load_stack(text, NAME).settings


def test_faults_are_told_with_their_keys_and_without_lines() -> None:
    """The engine tells none; `make plan` does."""
    told(
        {"moorage:backend": "kubernetes", "moorage:gateway": {"min": 6, "max": 4}, "moorage:protect": "maybe"}
    )

    with pytest.raises(SpecError) as caught:
        seen()

    assert [(fault.line, fault.path, fault.code) for fault in caught.value.faults] == [
        (1, "moorage:domain", "missing-key"),
        (1, "moorage:gateway.min", "stack-order"),
        (1, "moorage:protect", "wrong-type"),
    ]


async def test_only_secrets_with_a_value_are_given() -> None:
    """What is missing is a fault of the fit, told with its line of endpoints.yaml."""
    pulumi_config.set_all_config({"moorage:secrets.db": "hunter2"}, ["moorage:secrets.db"])

    found = read_secrets(pulumi.Config("moorage"), frozenset({"db", "other"}))

    assert set(found) == {"db"}
    assert "hunter2" not in repr(found)
