"""What template.yaml may hold, and what each fault of it says."""

import pytest

from infra.spec.errors import SpecError
from infra.spec.templates import Template, parse_template

RIGHT = """
title: Text recognition
description: Finds the words on a picture.
route: /infer
output: image
license: {name: Apache-2.0, source: https://example.org}
defaults: {replicas: {max: 2}}
input:
  type: object
  properties:
    image: {type: object, x-widget: image, default: null}
examples:
  - title: A receipt
    body: {image: {data: {$file: example.png}}, more: [{$file: second.png}]}
"""


def faults_of(text: str) -> list[str]:
    """Codes of a faulty template."""
    with pytest.raises(SpecError) as caught:
        parse_template(text, "templates/ocr")
    return [fault.code for fault in caught.value.faults]


def right() -> Template:
    """The template that the faults below are made from."""
    return parse_template(RIGHT, "templates/ocr")


def test_template_is_named_for_its_folder() -> None:
    """No key repeats it."""
    assert right().name == "ocr"


def test_template_without_image_runs_its_own_folder() -> None:
    """service.py beside template.yaml is enough."""
    assert right().defaults == {"replicas": {"max": 2}, "python": "templates/ocr"}


def test_template_with_image_runs_the_image() -> None:
    """The folder then holds no code."""
    text = RIGHT.replace("{replicas: {max: 2}}", "{image: 'ghcr.io/acme/ocr:1'}")

    assert parse_template(text, "templates/ocr").defaults == {"image": "ghcr.io/acme/ocr:1"}


def test_files_of_examples_are_found_wherever_they_stand() -> None:
    """Also within lists."""
    assert [name for _, name in right().files] == ["example.png", "second.png"]


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("title: Text recognition", "titel: Text recognition", "missing-key"),
        ("output: image", "output: picture", "unknown-choice"),
        ("route: /infer", "route: infer", "path-form"),
        ("{replicas: {max: 2}}", "{name: ocr}", "template-field"),
        ("{replicas: {max: 2}}", "{quickstart: {rate: 30/min}}", "template-field"),
        ("{replicas: {max: 2}}", "{replica: {max: 2}}", "unknown-key"),
        ("{replicas: {max: 2}}", "{replicas: {max: '2'}}", "wrong-type"),
        ("{replicas: {max: 2}}", "{timeout: }", "empty-value"),
        ("{replicas: {max: 2}}", "{image: 'a/b:1', python: code}", "source-twice"),
        ("type: object\n  properties", "type: array\n  properties", "template-schema"),
        ("second.png", "../second.png", "folder-escape"),
    ],
)
def test_faulty_template_names_its_fault(old: str, new: str, code: str) -> None:
    """One change of a right template gives this code."""
    assert old in RIGHT

    assert code in faults_of(RIGHT.replace(old, new))


def test_fault_of_a_default_names_file_line_and_key() -> None:
    """As precise as in endpoints.yaml."""
    with pytest.raises(SpecError) as caught:
        parse_template(RIGHT.replace("max: 2", "max: 0"), "templates/ocr")

    assert str(caught.value) == (
        "templates/ocr/template.yaml:7: defaults.replicas.max: 0 is below 1.\n"
        "  Write a number from 1 to 999.  [out-of-range]"
    )
