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

from infra.plan.aws.cache import LONGEST_ID
from infra.plan.aws.scope import LONGEST_STACK
from infra.project import read_stack
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
    if "api" in values:  # a size is written as text and kept as a number
        values["api"]["disk"] = f"{values['api']['disk']}Gi"
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


ON_AWS = {
    f"{PREFIX}backend": "aws",
    f"{PREFIX}domain": "models.example.com",
    f"{PREFIX}aws": {"account": "123456789012", "region": "eu-central-1"},
}


@pytest.mark.parametrize("name", ["Prod", "prod.eu", "prod_eu", "1st", "prod-", "a--b", "p" * 27])
def test_stack_of_aws_has_a_name_that_buckets_and_databases_may_bear(tmp_path: Path, name: str) -> None:
    """It is said before anything is made, by the program and by whoever reads the file."""
    (tmp_path / "stacks").mkdir()
    (tmp_path / f"stacks/Pulumi.{name}.yaml").write_text(yaml.safe_dump({"config": ON_AWS}))
    told(ON_AWS)

    with pytest.raises(SpecError) as by_program:
        read_settings(pulumi.Config("moorage"), name)
    with pytest.raises(SpecError) as by_file:
        read_stack(tmp_path, name)

    assert [fault.code for fault in by_program.value.faults] == ["name-form"]
    assert [fault.code for fault in by_file.value.faults] == ["name-form"]


@pytest.mark.parametrize("name", ["p", "prod", "prod-eu-central-1", "p" * LONGEST_STACK])
def test_names_of_the_usual_form_are_taken(name: str) -> None:
    """Up to what the queue's name leaves."""
    told(ON_AWS)

    assert read_settings(pulumi.Config("moorage"), name).aws is not None
    assert len(f"moorage-{name}-queue") <= LONGEST_ID
