"""Reads the stack's settings from `pulumi.Config`; the only place that does."""

import json
from collections.abc import Mapping
from typing import Any, Literal, get_origin

import pulumi

from infra.plan.aws.scope import stack_name_findings
from infra.spec.errors import Fault, SpecError
from infra.spec.fields import type_at
from infra.spec.load_stack import PROJECT, SECRETS, check_settings
from infra.spec.stack import Stack
from infra.spec.wording import path_text


def read_settings(config: pulumi.Config, stack: str) -> Stack:
    """The settings of the stack that runs.

    Raises:
        SpecError: all that is wrong with them; without lines, for the engine does not tell them.
    """
    given = {key: config.get(key) for key in Stack.model_fields}
    settings, findings = check_settings(
        {key: text if _is_text(key) else _decoded(text) for key, text in given.items() if text is not None}
    )
    if settings is not None and settings.aws is not None:
        findings = [*findings, *stack_name_findings(stack)]
    if findings or settings is None:
        name = f"stacks/Pulumi.{stack}.yaml"
        raise SpecError(
            Fault(name, 1, 1, f"{PROJECT}:{path_text(found.path)}", found.what, found.mend, found.code)
            for found in findings
        )
    return settings


def read_secrets(config: pulumi.Config, names: frozenset[str]) -> Mapping[str, pulumi.Output[str]]:
    """Those of the named secrets that have a value in the stack."""
    found = {name: config.get_secret(f"{SECRETS}{name}") for name in sorted(names)}
    return {name: value for name, value in found.items() if value is not None}


def _is_text(key: str) -> bool:
    """Whether the setting is text, so that a context called `true` stays one."""
    kind = type_at(Stack, (key,))
    return kind is str or get_origin(kind) is Literal


def _decoded(text: str) -> Any:
    """What stood in the file: the engine gives lists, mappings and booleans as JSON, and text as it is."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return _frozen(value) if isinstance(value, bool | dict | list) else text


def _frozen(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_frozen(item) for item in value)
    if isinstance(value, dict):
        return {key: _frozen(item) for key, item in value.items()}
    return value
