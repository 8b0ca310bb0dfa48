"""Every folder under templates/ is complete and says what it takes."""

from pathlib import Path
from typing import Any

import pytest
import yaml

TEMPLATES = Path(__file__).parents[2] / "templates"
NAMES = sorted(path.parent.name for path in TEMPLATES.glob("*/template.yaml"))
KEYS = {"title", "description", "route", "output", "license", "defaults", "input", "examples"}
TYPES: dict[str, type[Any]] = {"object": dict, "array": list, "string": str}


def read(name: str) -> dict[str, Any]:
    """The template's description."""
    return dict(yaml.safe_load((TEMPLATES / name / "template.yaml").read_text()))


def faults(schema: dict[str, Any], value: Any, folder: Path) -> list[str]:
    """What is wrong with `value`, by the few words of JSON Schema that the templates use."""
    if isinstance(value, dict) and "$file" in value:
        missing = [] if (folder / value["$file"]).is_file() else [f"no file {value['$file']}"]
        return missing + faults(schema, "", folder)
    if "anyOf" in schema:
        branches = [faults(branch, value, folder) for branch in schema["anyOf"]]
        return [] if [] in branches else branches[0]
    if not isinstance(value, TYPES[schema["type"]]):
        return [f"{value!r} is no {schema['type']}"]
    found = [f"{value!r} is not in {schema['enum']}" for _ in [0] if value not in schema.get("enum", [value])]
    if isinstance(value, list):
        return found + [fault for item in value for fault in faults(schema["items"], item, folder)]
    if isinstance(value, dict):
        found += [f"{key} is missing" for key in schema.get("required", []) if key not in value]
        found += [f"{key} is unknown" for key in value if key not in schema["properties"]]
        known = value.keys() & schema["properties"].keys()
        found += [f for key in known for f in faults(schema["properties"][key], value[key], folder)]
    return found


def test_the_three_templates_are_there() -> None:
    """What a fresh clone offers."""
    assert NAMES == ["embeddings", "ocr", "transcribe"]


@pytest.mark.parametrize("name", NAMES)
def test_a_template_has_exactly_the_agreed_keys(name: str) -> None:
    """The web page and the loader read these and no others."""
    template = read(name)

    assert set(template) == KEYS
    assert template["route"] == "/infer"
    assert template["output"] in {"json", "text", "image", "audio", "video", "stream"}
    assert set(template["license"]) == {"name", "source"}
    assert template["defaults"]["replicas"]["min"] == 0


@pytest.mark.parametrize("name", NAMES)
def test_the_examples_fit_the_input_schema(name: str) -> None:
    """A visitor's first try must not be refused."""
    template = read(name)

    assert template["examples"]
    for example in template["examples"]:
        assert faults(template["input"], example["body"], TEMPLATES / name) == []


@pytest.mark.parametrize("name", NAMES)
def test_every_input_has_a_title_and_a_widget(name: str) -> None:
    """The form is drawn from them."""
    for field in read(name)["input"]["properties"].values():
        assert {"title", "description", "x-widget"} <= set(field)


@pytest.mark.parametrize("name", NAMES)
def test_the_requirements_are_locked_with_hashes_and_name_no_host(name: str) -> None:
    """The same packages come from whichever registry a machine uses."""
    text = (TEMPLATES / name / "requirements.txt").read_text()

    pins = text.count("==")
    assert pins > 5
    assert text.count("--hash=sha256:") >= pins - text.count("python_full_version") - text.count(
        "sys_platform"
    )
    assert "://" not in text
    assert "--index-url" not in text


@pytest.mark.parametrize("name", NAMES)
def test_the_requirements_hold_what_the_runner_needs(name: str) -> None:
    """They are all that is installed."""
    text = (TEMPLATES / name / "requirements.txt").read_text()

    assert all(f"\n{package}==" in text for package in ("uvicorn", "starlette", "pydantic"))


def test_the_example_of_a_users_own_code_imports_nothing_of_ours() -> None:
    """Moving a class here needs no change of it."""
    folder = TEMPLATES.parent / "examples" / "sentiment"

    assert "runtime" not in (folder / "service.py").read_text()
    assert (folder / "requirements.txt").is_file()
