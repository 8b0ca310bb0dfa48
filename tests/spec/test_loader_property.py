"""No text makes the loader raise anything but its own error, and no fault is without a place."""

from collections.abc import Callable, Mapping
from pathlib import Path

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from infra.spec.errors import Fault, SpecError
from infra.spec.load import load
from infra.spec.source import decode
from infra.spec.templates import Template, parse_template

GOOD = (Path(__file__).parent.parent / "golden" / "every-field" / "endpoints.yaml").read_text("utf-8")
WORDS = [
    *GOOD.split(),
    *[
        "account:",
        "endpoints:",
        "- ",
        "  ",
        "\n",
        "{",
        "}",
        "[",
        "]",
        "&a",
        "*a",
        "<<:",
        "null",
        "~",
        "!!str",
    ],
    *[
        "0x1F",
        "1e3",
        ".nan",
        "-1",
        "9" * 30,
        "yes",
        "'",
        '"',
        "|",
        ">",
        "---",
        "%YAML",
        "\t",
        "? ",
        ": ",
        "#",
    ],
]
YAMLISH = st.lists(st.sampled_from(WORDS) | st.text(max_size=5), max_size=40).map(" ".join)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
KEYS = (
    st.sampled_from(["account", "endpoints", "name", "replicas", "env", "image", "secrets", "min"])
    | st.text()
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=20,
)


def faults_of(read: Callable[[], object]) -> tuple[Fault, ...]:
    """What a reading refuses; nothing where the text is right."""
    try:
        read()
    except SpecError as error:
        return error.faults
    return ()


def assert_reads_or_refuses(text: str, templates: Mapping[str, Template]) -> None:
    """Either a spec, or faults that each have a place, words and a mend."""
    faults = faults_of(lambda: load(text, "endpoints.yaml", templates))

    assert all(fault.line >= 1 and fault.column >= 1 for fault in faults)
    assert all(fault.what and fault.mend for fault in faults)


@given(text=st.text())
@example(text="\udc80")
@example(text="\ufeff")
@example(text="a: \ufeff")
@example(text="\x85")
@example(text="[" * 5000)
@example(text="{" * 5000)
@example(text="- " * 5000)
@example(text="? " * 5000)
@example(text="a: " + "9" * 5000)
@example(text="%YAML 9.9\n---\na: 1")
@example(text="endpoints: [{name: " + "a" * 100_000 + "}]")
def test_any_text_is_read_or_refused(text: str, templates: Mapping[str, Template]) -> None:
    """Text of any characters."""
    assert_reads_or_refuses(text, templates)


@given(text=YAMLISH)
def test_any_yaml_like_text_is_read_or_refused(text: str, templates: Mapping[str, Template]) -> None:
    """Words and marks of the format in any order."""
    assert_reads_or_refuses(text, templates)


@given(value=st.dictionaries(KEYS, VALUES, max_size=6))
def test_any_values_are_read_or_refused(value: object, templates: Mapping[str, Template]) -> None:
    """Flow mappings of any values under the format's keys; `repr` is close enough to YAML."""
    assert_reads_or_refuses(f"account: acme\nendpoints: [{value!r}]", templates)


@given(data=st.data())
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_any_mutation_of_a_right_file_is_read_or_refused(
    data: st.DataObject, templates: Mapping[str, Template]
) -> None:
    """A right file with pieces cut, repeated or replaced."""
    text = GOOD
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        end = data.draw(st.integers(start, min(len(text), start + 40)))
        text = text[:start] + data.draw(st.sampled_from(["", *WORDS]) | st.text(max_size=3)) + text[end:]

    assert_reads_or_refuses(text, templates)


@given(content=st.binary())
def test_any_bytes_are_text_or_refused(content: bytes) -> None:
    """Files that are no text."""
    assert {fault.code for fault in faults_of(lambda: decode(content, "endpoints.yaml"))} <= {"encoding"}


@given(text=YAMLISH | st.text())
def test_any_template_text_is_read_or_refused(text: str) -> None:
    """template.yaml goes through the same gate."""
    faults = faults_of(lambda: parse_template(f"defaults: {text}", "templates/any"))

    assert all(fault.file == "templates/any/template.yaml" for fault in faults)
