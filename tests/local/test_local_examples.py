"""Example requests and how answers are shown."""

from pathlib import Path

import pytest
from support.records import make_record

from runtime.local.errors import LocalError
from runtime.local.examples import choose_example, filled_body, shortened, shown_answer
from runtime.wire import TemplateRecord

TEMPLATE = TemplateRecord(
    name="ocr",
    title="OCR",
    description="",
    route="/infer",
    output="json",
    license_name="",
    license_source="",
    input_schema={},
    examples=({"title": "One", "body": {"n": 1}}, {"title": "Two", "body": {}}),
    folder=".",
)


def test_a_file_becomes_its_base64(tmp_path: Path) -> None:
    """Anywhere in the body."""
    (tmp_path / "a.png").write_bytes(b"png")

    body = filled_body({"images": [{"data": {"$file": "a.png"}}], "n": 1}, tmp_path)

    assert body == {"images": [{"data": "cG5n"}], "n": 1}


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "missing.png"])
def test_a_file_outside_the_folder_is_refused(tmp_path: Path, name: str) -> None:
    """Whether it exists or not."""
    (tmp_path / "secret").write_text("s")
    folder = tmp_path / "template"
    folder.mkdir()

    with pytest.raises(LocalError, match="is no file of"):
        filled_body({"$file": name}, folder)


def test_the_endpoint_ocr_comes_first(tmp_path: Path) -> None:
    """Else the first one with a template that has an example."""
    some = {name: make_record(name, template="ocr") for name in ("a", "ocr")}
    chosen = choose_example(some, {"ocr": TEMPLATE}, tmp_path)
    assert chosen is not None
    assert chosen.endpoint.name == "ocr"
    assert chosen.body == {"n": 1}

    del some["ocr"]
    other = choose_example(some, {"ocr": TEMPLATE}, tmp_path)
    assert other is not None
    assert other.endpoint.name == "a"

    assert choose_example({"b": make_record("b")}, {"ocr": TEMPLATE}, tmp_path) is None


def test_long_texts_and_figures_are_cut() -> None:
    """Words stay."""
    value = {"data": "x" * 5000, "text": ["a", "b"], "boxes": [[1, 2], [3, 4]], "n": 3}

    assert shortened(value) == {
        "data": f"{'x' * 24}… (5,000 characters)",
        "text": ["a", "b"],
        "boxes": "… (2 of them)",
        "n": 3,
    }


def test_an_answer_that_is_no_json_is_shown_as_it_is() -> None:
    """Cut when long."""
    assert shown_answer("hello") == "hello"
    assert len(shown_answer("x" * 5000)) < 700
