"""What the Dockerfiles promise, as far as their text shows it."""

import json
import re
import tomllib
from pathlib import Path

import pytest
from support.image_builds import ImageBuild, Step, is_ignored, read_steps

from infra.folders import content_hash

ROOT = Path(__file__).parents[2]
IMAGES = ROOT / "images"
NAMED = {"runner": ROOT / "runtime/replica", "tools": IMAGES / "tools"}
CONTEXTS = {"runtime": ROOT, "python": ROOT / "examples/sentiment"}
BOTH = pytest.mark.parametrize("image", sorted(CONTEXTS))
HOST = re.compile(r"https?://|index-url|[a-z0-9-]+\.(?:org|com|io|dev)\b")


def text_of(image: str) -> str:
    """A Dockerfile."""
    return (IMAGES / image / "Dockerfile").read_text(encoding="utf-8")


def last_stage(image: str) -> list[Step]:
    """The steps that make the image itself."""
    steps = read_steps(text_of(image))
    begins = [number for number, step in enumerate(steps) if step.name == "FROM"]
    return steps[begins[-1] :]


@BOTH
def test_every_source_of_a_copy_exists(image: str, tmp_path: Path) -> None:
    """Nothing that a step asks for is absent or ignored; only a folder's requirements may be."""
    build = ImageBuild(IMAGES / image / "Dockerfile", CONTEXTS[image], tmp_path, NAMED)

    absent = [
        source
        for step in read_steps(text_of(image))
        if step.name == "COPY" and step.flags.get("from") != "build"
        for source in step.rest.split()[:-1]
        if not build.found(step.flags.get("from"), source)
    ]

    assert absent == []


@BOTH
def test_the_image_runs_as_a_user_without_rights(image: str) -> None:
    """By number, so that kubelet can tell that it is not root."""
    users = [step.rest for step in last_stage(image) if step.name == "USER"]

    assert users == ["65532:65532"]


@BOTH
def test_the_base_image_has_a_tag_of_one_python(image: str) -> None:
    """The version that the packages were locked for."""
    bases = [step.rest for step in read_steps(text_of(image)) if step.rest.startswith("BASE=")]

    assert bases == ["BASE=python:3.11-slim-bookworm"]


@BOTH
def test_no_package_index_is_named(image: str) -> None:
    """Whoever builds decides where packages come from."""
    named = [step for step in read_steps(text_of(image)) if HOST.search(step.rest)]

    assert named == []


@BOTH
def test_nothing_stands_between_kubelet_and_the_program(image: str) -> None:
    """Signals reach the program itself."""
    names = {step.name for step in last_stage(image)}

    assert not names & {"ENTRYPOINT", "SHELL", "VOLUME"}


def test_the_service_is_served_on_the_port_of_the_plan() -> None:
    """The command that stands in the contract with the manifests."""
    (command,) = [step for step in last_stage("python") if step.name == "CMD"]

    expected = "python -m runtime.replica --folder /service --host 0.0.0.0 --port 8080"
    assert " ".join(json.loads(command.rest)) == expected


def test_tools_have_the_versions_of_the_project() -> None:
    """The Makefile's uv and pyproject.toml's build backend."""
    tools = set(re.findall(r"^(\S+==\S+)", (IMAGES / "tools/requirements.txt").read_text(), re.MULTILINE))
    (uv,) = re.findall(r"^UV_VERSION := (\S+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    backend = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]

    assert tools == {f"uv=={uv}", *backend}


def test_what_does_not_count_in_the_hash_is_not_in_the_image(tmp_path: Path) -> None:
    """A file that could be in an image and change without a new tag would never be rolled out."""
    patterns = (IMAGES / "python/Dockerfile.dockerignore").read_text(encoding="utf-8")
    (tmp_path / "service.py").write_text("")
    before = content_hash(tmp_path)
    for name in (".env", ".git/config", "a/.cache/x", "__pycache__/x.txt", "a/__pycache__/x.pyc", "old.pyc"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")

    files = [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()]

    assert content_hash(tmp_path) == before
    assert [name for name in sorted(files) if not is_ignored(name, patterns)] == ["service.py"]


def test_only_what_the_runtime_image_is_made_from_is_in_its_context() -> None:
    """An edit of a template or a test makes no new image."""
    patterns = (IMAGES / "runtime/Dockerfile.dockerignore").read_text(encoding="utf-8")
    asked = ("README.md", "endpoints.yaml", ".moorage/tokens.json", "tests/a.py", "runtime/__pycache__/a.pyc")
    needed = ("pyproject.toml", "requirements/cluster.txt", "runtime/queue/lua/take.lua")

    assert [name for name in (*asked, *needed) if not is_ignored(name, patterns)] == list(needed)


def test_comments_between_continued_lines_are_dropped() -> None:
    """As a builder reads them."""
    steps = read_steps("# first\nRUN a \\\n# between\n && b\nCOPY --from=x --chmod=1 c d/\n")

    assert [(step.name, " ".join(step.rest.split()), dict(step.flags)) for step in steps] == [
        ("RUN", "a && b", {}),
        ("COPY", "c d/", {"from": "x", "chmod": "1"}),
    ]
