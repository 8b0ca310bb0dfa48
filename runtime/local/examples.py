"""Example requests of templates, as files that can be sent. Pure but for reading the template's files."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runtime.local.errors import LocalError
from runtime.wire import EndpointRecord, TemplateRecord
from runtime.wire.places import Places

FIRST_CHOICE = "ocr"
LONGEST_TEXT = 100
MOST_ITEMS = 12


@dataclass(frozen=True, slots=True)
class Example:
    """A request that an endpoint answers."""

    endpoint: EndpointRecord
    route: str
    body: Any


def choose_example(
    endpoints: Mapping[str, EndpointRecord], templates: Mapping[str, TemplateRecord], root: Path
) -> Example | None:
    """The first example of the endpoint `ocr`, else of the first endpoint with one; None where none has.

    Raises:
        LocalError: a file that the example names is not in the template's folder.
    """
    for name in sorted(endpoints, key=lambda name: (name != FIRST_CHOICE, name)):
        template = templates.get(endpoints[name].template or "")
        if template is not None and template.examples:
            body = filled_body(template.examples[0].get("body"), root / template.folder)
            return Example(endpoints[name], template.route, body)
    return None


def read_templates(places: Places) -> dict[str, TemplateRecord]:
    """Every template's record, by name."""
    paths = sorted(places.templates.glob("*.json"))
    records = [TemplateRecord.model_validate_json(path.read_text()) for path in paths]
    return {record.name: record for record in records}


def filled_body(value: Any, folder: Path) -> Any:
    """The value with each `{"$file": name}` in it replaced by the base64 of that file.

    Raises:
        LocalError: there is no such file in the folder.
    """
    if isinstance(value, list):
        return [filled_body(item, folder) for item in value]
    if not isinstance(value, dict):
        return value
    if set(value) == {"$file"}:
        return _file_text(folder, str(value["$file"]))
    return {key: filled_body(item, folder) for key, item in value.items()}


def shortened(value: Any) -> Any:
    """The value with long texts and lists cut, and figures counted only, so that an answer fits on a screen."""
    if isinstance(value, str) and len(value) > LONGEST_TEXT:
        return f"{value[:24]}… ({len(value):,} characters)"
    if isinstance(value, dict):
        return {key: shortened(item) for key, item in value.items()}
    if isinstance(value, list) and len(value) > 1 and not _has_words(value):
        return f"… ({len(value):,} of them)"
    if isinstance(value, list):
        more = [f"… ({len(value):,} in all)"] if len(value) > MOST_ITEMS else []
        return [shortened(item) for item in value[:MOST_ITEMS]] + more
    return value


def _has_words(value: Any) -> bool:
    if isinstance(value, list):
        return any(_has_words(item) for item in value)
    return isinstance(value, str | dict)


def shown_answer(text: str) -> str:
    """An answer's body as it is shown: JSON shortened, anything else cut."""
    try:
        value = json.loads(text)
    except ValueError:
        return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}…"
    return json.dumps(shortened(value), ensure_ascii=False)


MOST_SHOWN = 600


def _file_text(folder: Path, name: str) -> str:
    path = (folder / name).resolve()
    if not path.is_relative_to(folder.resolve()) or not path.is_file():
        raise LocalError(f"example: {name!r} is no file of {folder}.")
    return base64.b64encode(path.read_bytes()).decode()
