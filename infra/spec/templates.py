"""Reads template.yaml: a pre-containerised model with defaults, an input form and example requests."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import Field, ValidationError

from infra.spec.errors import SpecError
from infra.spec.explain import findings_of, null_findings
from infra.spec.forms import Route
from infra.spec.model import Endpoint, Part
from infra.spec.source import Finding, Source, parse
from infra.spec.wording import Path, shown

SOURCES = ("image", "python", "local")
"""Keys that say what to run; without one of them it is the template's own folder."""
NO_DEFAULT = ("name", "template", "quickstart")
"""Keys that only an endpoint itself may set."""
FILE_KEY = "$file"


class License(Part):
    """The terms of the model."""

    name: str = Field(examples=["Apache-2.0"], min_length=1, max_length=256)
    """SPDX identifier, or the licence's own name."""
    source: str = Field(examples=["https://github.com/RapidAI/RapidOCR"], min_length=1, max_length=2048)
    """Where the model and its licence come from."""


class Example(Part):
    """A request that works as it stands."""

    title: str = Field(examples=["A receipt"], min_length=1, max_length=256)
    """What it shows."""
    body: dict[str, Any] = Field(examples=["{texts: [hello]}"])
    """The request's JSON body; a value {$file: name} stands for the base64 of a file in the folder."""


class Card(Part):
    """The content of template.yaml."""

    title: str = Field(examples=["Text recognition"], min_length=1, max_length=256)
    """What a list of templates calls it."""
    description: str = Field(examples=["Finds the words on a picture."], min_length=1, max_length=4096)
    """A few sentences for the web page."""
    route: Route = Field(examples=["/infer"])
    """Path that answers the example requests."""
    output: Literal["json", "text", "image", "audio", "video", "stream"] = Field(examples=["json"])
    """Kind of answer, so that the web page can show it."""
    license: License = Field(examples=["{name: Apache-2.0, source: https://…}"])
    """The terms of the model."""
    defaults: dict[str, Any] = Field(default={}, examples=["{hardware: a10g.1}"])
    """Keys of an endpoint; a clone may override each. Without image, python or local the folder itself runs."""
    input: dict[str, Any] = Field(examples=["{type: object, properties: {}}"])
    """JSON Schema of the request's body, with x-widget hints for the form."""
    examples: tuple[Example, ...] = Field(default=(), examples=["[{title: A receipt, body: {}}]"])
    """Example requests."""


@dataclass(frozen=True, slots=True)
class Template:
    """One folder of `templates/`, read; `name` is the folder's, `folder` its path from endpoints.yaml."""

    name: str
    folder: str
    card: Card

    @property
    def defaults(self) -> dict[str, Any]:
        """Keys of an endpoint beneath those of each clone; without an image its own folder is what runs."""
        written = self.card.defaults
        return written if any(key in written for key in SOURCES) else {**written, "python": self.folder}

    @property
    def files(self) -> tuple[tuple[Path, str], ...]:
        """Files of the folder that the examples embed, each with where it is named."""
        bodies = ((("examples", at, "body"), example.body) for at, example in enumerate(self.card.examples))
        return tuple(found for path, body in bodies for found in _files_in(body, path))


def parse_template(text: str, folder: str) -> Template:
    """Read the template.yaml of a folder, such as `templates/ocr`.

    Raises:
        SpecError: all faults of the file.
    """
    source = parse(text, f"{folder}/template.yaml")
    findings = list(source.findings)
    try:
        card = Card.model_validate(source.value)
    except ValidationError as exc:
        findings += findings_of(exc, Card)
        raise _error(source, findings) from None
    template = Template(folder.rpartition("/")[2], folder, card)
    findings += [*_default_findings(card.defaults), *_form_findings(template)]
    if findings:
        raise _error(source, findings)
    return template


def _error(source: Source, findings: list[Finding]) -> SpecError:
    return SpecError(source.fault(finding) for finding in findings)


def _default_findings(defaults: dict[str, Any]) -> Iterator[Finding]:
    at: Path = ("defaults",)
    for key in NO_DEFAULT:
        if key in defaults:
            yield Finding((*at, key), f"{key} is an endpoint's own.", "Remove it.", "template-field")
    if "image" in defaults and "python" in defaults:
        what, mend = "image and python both say what to run.", "Keep one of the two."
        yield Finding((*at, "python"), what, mend, "source-twice")
    yield from null_findings(defaults, Endpoint, at)
    fields = {key: value for key, value in defaults.items() if key not in NO_DEFAULT}
    try:
        Endpoint.model_validate({"name": "defaults", **fields})
    except ValidationError as exc:
        yield from findings_of(exc, Endpoint, at)


def _form_findings(template: Template) -> Iterator[Finding]:
    if template.card.input.get("type") != "object":
        what, mend = "the form's schema is not one of an object.", "Write `type: object` in it."
        yield Finding(("input",), what, mend, "template-schema")
    for path, name in template.files:
        if "/" in name or "\\" in name or name.startswith("."):
            what, mend = f"{shown(name)} is not a file of this folder.", "Write the file's name alone."
            yield Finding(path, what, mend, "folder-escape")


def _files_in(value: Any, path: Path) -> Iterator[tuple[Path, str]]:
    if isinstance(value, dict):
        if isinstance(value.get(FILE_KEY), str):
            yield (*path, FILE_KEY), value[FILE_KEY]
        for key, item in value.items():
            yield from _files_in(item, (*path, key))
    elif isinstance(value, tuple):
        for at, item in enumerate(value):
            yield from _files_in(item, (*path, at))
