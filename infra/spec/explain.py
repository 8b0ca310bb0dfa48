"""pydantic's errors in our words: what is wrong and how to mend it, with a near miss where one is."""

from collections.abc import Callable, Iterator
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from infra.spec.fields import example_at, field_at, is_model, limits_at, type_at
from infra.spec.source import Finding
from infra.spec.wording import Path, kind_of, listed, may_show, nearest, shown, suggestion

NEEDED = {
    "string": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "dict": "a mapping",
    "model": "a mapping",
    "tuple": "a list",
    "list": "a list",
}
"""First word of pydantic's `…_type` errors to the reference's words."""


def findings_of(error: ValidationError, root: type[BaseModel], prefix: Path = ()) -> Iterator[Finding]:
    """Every fault of a validation, in the file's own paths.

    Args:
        error: what pydantic raised.
        root: the model that was validated.
        prefix: where that model stands in the file.
    """
    details = error.errors(include_url=False)
    for detail in details:
        path: Path = tuple(step for step in detail["loc"] if step != "[key]")
        if detail["type"] == "too_short" and any(_is_within(each["loc"], detail["loc"]) for each in details):
            continue  # its wrong entries are told, and were not counted
        what, mend, code = _explained(detail, root, path)
        yield Finding((*prefix, *path), what, mend, code)


def _is_within(place: tuple[int | str, ...], outer: tuple[int | str, ...]) -> bool:
    return len(place) > len(outer) and place[: len(outer)] == outer


def _explained(detail: ErrorDetails, root: type[BaseModel], path: Path) -> tuple[str, str, str]:
    kind = detail["type"]
    context = detail.get("ctx", {})
    if "mend" in context:
        return context["what"], context["mend"], kind
    if kind in EXPLAINED:
        return EXPLAINED[kind](detail, root, path)
    return _wrong_type(detail, root, path)


def _unknown_key(_: ErrorDetails, root: type[BaseModel], path: Path) -> tuple[str, str, str]:
    model = type_at(root, path[:-1])
    known = list(model.model_fields) if is_model(model) else []
    what = f"{shown(path[-1])} is not a key of {'this file' if len(path) == 1 else 'this place'}."
    if any(step in {"secrets", "password"} for step in path[:-1]):
        mend = f"Remove it: values never stand in this file. Known: {listed(known)}."
        return what, mend, "secret-value"
    return what, suggestion(str(path[-1]), known, "Remove it."), "unknown-key"


def _missing_key(_: ErrorDetails, root: type[BaseModel], path: Path) -> tuple[str, str, str]:
    example = example_at(root, path)
    return f"{shown(path[-1])} is missing.", f"Add for example `{path[-1]}: {example}`.", "missing-key"


def _unknown_choice(detail: ErrorDetails, _root: type[BaseModel], _path: Path) -> tuple[str, str, str]:
    value = detail["input"]
    choices = detail["ctx"]["expected"].replace("'", "")
    near = nearest(value, choices.replace(" or ", ", ").split(", ")) if isinstance(value, str) else None
    mend = f"Did you mean {near}?" if near else f"Write {choices}."
    return f"{shown(value)} is not {choices}.", mend, "unknown-choice"


def _out_of_range(detail: ErrorDetails, root: type[BaseModel], path: Path) -> tuple[str, str, str]:
    given, limits = shown(detail["input"]), limits_at(root, path)
    low = f"above {limits['gt']}" if "gt" in limits else f"from {limits['ge']}"
    mend = f"Write a number {low} to {limits['le']}."
    bounds = detail.get("ctx", {})
    if "gt" in bounds:
        return f"{given} is not above {limits['gt']}.", mend, "out-of-range"
    side = f"below {limits['ge']}" if "ge" in bounds else f"above {limits['le']}"
    return f"{given} is {side}.", mend, "out-of-range"


def _bad_length(detail: ErrorDetails, _root: type[BaseModel], _path: Path) -> tuple[str, str, str]:
    bounds = detail["ctx"]
    if "max_length" in bounds:
        most = bounds["max_length"]
        return f"this is longer than {most}.", f"Keep it to {most}.", "out-of-range"
    if detail["input"]:
        least = bounds["min_length"]
        unit = "characters" if isinstance(detail["input"], str) else "entries"
        return f"this is shorter than {least}.", f"Write at least {least} {unit}.", "out-of-range"
    return "this is empty.", "Write a value.", "empty-value"


def _wrong_type(detail: ErrorDetails, root: type[BaseModel], path: Path) -> tuple[str, str, str]:
    value = detail["input"]
    needed = NEEDED.get(detail["type"].partition("_")[0], "another value")
    place = shown(value) if may_show(path) and not isinstance(value, dict | tuple) else "this"
    what = f"{place} is {kind_of(value)}, not {needed}."
    if path[:1] == ("secrets",) or path[-1:] == ("password",):
        return what.replace(place, "this", 1), _secret_mend(path), "secret-value"
    if needed == "text" and isinstance(value, int | float):
        mend = f'Quote it: "{shown(value)}".' if may_show(path) else "Put quotes around it."
        return what, mend, "unquoted-text"
    return what, _right_value(root, path, needed), "wrong-type"


def _right_value(root: type[BaseModel], path: Path, needed: str) -> str:
    if example := example_at(root, path):
        return f"Write for example {example}."
    model = type_at(root, path)
    return f"Write its keys: {listed(model.model_fields)}." if is_model(model) else f"Write {needed}."


def _secret_mend(path: Path) -> str:
    if path[-1:] == ("password",):
        return "Write for example {secret: ghcr-token}; values never stand in this file."
    if len(path) == 1:
        return "Write one line a secret, for example `ghcr-token: {}`; values never stand in this file."
    return "Write {} and keep the value out of this file: in the stack, or in .moorage/secrets.yaml."


def _missing_value_mend(root: type[BaseModel], path: Path) -> str:
    info = field_at(root, path)
    example = example_at(root, path)
    write = f"Write for example `{example}`" if example else "Write a value"
    return f"{write}." if info and info.is_required() else f"{write}, or remove the key."


Explainer = Callable[[ErrorDetails, type[BaseModel], Path], tuple[str, str, str]]
EXPLAINED: dict[str, Explainer] = {
    "extra_forbidden": _unknown_key,
    "missing": _missing_key,
    "literal_error": _unknown_choice,
    "greater_than": _out_of_range,
    "greater_than_equal": _out_of_range,
    "less_than_equal": _out_of_range,
    "too_long": _bad_length,
    "too_short": _bad_length,
    "string_too_long": _bad_length,
    "string_too_short": _bad_length,
}


def null_findings(value: Any, root: type[BaseModel], path: Path = ()) -> Iterator[Finding]:
    """Every key without a value; YAML gives None for each, which is never what was meant."""
    if value is None:
        mend = _missing_value_mend(root, path)
        if path[:1] == ("secrets",) or path[-1:] == ("password",):
            mend = _secret_mend(path)
        yield Finding(path, "the value is missing.", mend, "empty-value")
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from null_findings(item, root, (*path, key))
    elif isinstance(value, tuple):
        for at, item in enumerate(value):
            yield from null_findings(item, root, (*path, at))
