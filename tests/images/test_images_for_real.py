"""Both images' steps carried out in folders, and what is in them started: no source tree, nothing written."""

import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from support.image_builds import ImageBuild, Stage

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

ROOT = Path(__file__).parents[2]
IMAGES = ROOT / "images"
NAMED = {"runner": ROOT / "runtime/replica", "tools": IMAGES / "tools"}
PROGRAMS = ("gateway", "worker", "scaler", "api")
READY_SECONDS = 60.0
NOT_SHIPPED = {".proto", ".md", ".pyi"}
"""Sources of what is shipped, and words about it."""


def build_service(folder: Path, scratch: Path) -> Stage:
    """The image of a `python:` folder."""
    return ImageBuild(IMAGES / "python/Dockerfile", folder, scratch, NAMED).build()


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    """The image of gateway, worker, scaler and api."""
    scratch = tmp_path_factory.mktemp("runtime-image")
    return ImageBuild(IMAGES / "runtime/Dockerfile", ROOT, scratch).build()


@pytest.fixture(scope="module")
def sentiment(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    """The image of examples/sentiment."""
    return build_service(ROOT / "examples/sentiment", tmp_path_factory.mktemp("service-image"))


def contents(stage: Stage) -> dict[str, int]:
    """Every file of the image, and when it was written."""
    files = (path for path in stage.root.rglob("*") if path.is_file() and not path.is_symlink())
    return {path.relative_to(stage.root).as_posix(): path.stat().st_mtime_ns for path in files}


def start(stage: Stage, *argv: str) -> subprocess.Popen[str]:
    """A program of the image, with its environment and no variable of this machine."""
    program = Path(stage.env["PATH"].split(":")[0], argv[0])
    return subprocess.Popen(
        (str(program), *(stage.real(word) for word in argv[1:])),
        cwd=stage.place("."),
        env=stage.env,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_without_settings_names_what_it_lacks(platform: Stage, name: str) -> None:
    """It is imported whole from the image, reads its settings and says which is missing."""
    before = contents(platform)

    process = start(platform, "python", "-m", f"runtime.{name}")
    _, told = process.communicate(timeout=READY_SECONDS)

    assert process.returncode != 0
    assert re.search(r"MOORAGE_[A-Z_]+", told), told
    assert "ModuleNotFoundError" not in told
    assert contents(platform) == before


def test_code_comes_from_the_image(platform: Stage) -> None:
    """Not from the source tree, which an editable install would point at."""
    process = subprocess.run(
        (platform.root / "opt/venv/bin/python", "-c", "import runtime; print(runtime.__file__)"),
        env=platform.env,
        cwd="/",
        capture_output=True,
        text=True,
        check=True,
    )

    assert Path(process.stdout.strip()) == platform.root / "opt/moorage/runtime/__init__.py"


def test_every_file_of_the_runtime_is_in_the_image(platform: Stage) -> None:
    """Lua and whatever else is no module are package data, easily forgotten."""
    wanted = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "runtime").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path.suffix not in NOT_SHIPPED
    }

    assert sorted(name for name in wanted if not (platform.root / "opt/moorage" / name).is_file()) == []


@pytest.mark.parametrize("name", ["platform", "sentiment"])
def test_every_module_of_an_image_is_compiled(name: str, request: pytest.FixtureRequest) -> None:
    """Nothing may be written when it runs, so what is not compiled here is compiled at every start."""
    stage: Stage = request.getfixturevalue(name)
    ours = (folder for folder in ("opt/moorage", "service") if (stage.root / folder).is_dir())
    sources = [path for folder in ours for path in (stage.root / folder).rglob("*.py")]

    missing = [path for path in sources if not list(path.parent.glob(f"__pycache__/{path.stem}.*.pyc"))]

    assert sources
    assert missing == []


@pytest.fixture
def service(request: pytest.FixtureRequest) -> Iterator[tuple[Stage, str]]:
    """The service of the image named by the parameter, ready, and its address."""
    stage: Stage = request.getfixturevalue(request.param)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    argv = [str(port) if word == "8080" else word for word in stage.command]
    process = start(stage, *argv)
    try:
        wait_until_ready(process, f"http://127.0.0.1:{port}")
        yield stage, f"http://127.0.0.1:{port}"
        process.send_signal(signal.SIGTERM)
        assert process.wait(READY_SECONDS) == 0
    finally:
        process.kill()
        process.communicate()


def wait_until_ready(process: subprocess.Popen[str], url: str) -> None:
    """Return when the health path answers 200."""
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(f"{url}/healthcheck").is_success:
                return
        except httpx.TransportError:
            time.sleep(0.05)
    process.kill()
    raise AssertionError(process.communicate()[1])


def infer(url: str, text: str) -> Any:
    """The answer to one request."""
    return (
        httpx.post(f"{url}/infer", json={"text": text}, timeout=READY_SECONDS)
        .raise_for_status()
        .json()["output"]
    )


@pytest.mark.parametrize("service", ["sentiment"], indirect=True)
def test_the_image_of_a_service_answers_and_writes_nothing(service: tuple[Stage, str]) -> None:
    """One inference by the command of the Dockerfile."""
    stage, url = service
    before = contents(stage)

    answer = infer(url, "I love this harbour")

    assert answer["label"] == "positive"
    assert contents(stage) == before


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    """The image of a folder without requirements, with a `runtime` of its own and secrets beside the code."""
    folder = tmp_path_factory.mktemp("bare")
    (folder / "runtime").mkdir()
    (folder / "runtime/__init__.py").write_text("WORD = 'mine'\n")
    (folder / ".env").write_text("KEY=secret\n")
    (folder / "broken.py").write_text("def (:\n")
    (folder / "service.py").write_text(
        "import runtime\n\nclass Echo:\n    def infer(self, text: str) -> str:\n        return runtime.WORD + text\n"
    )
    os.chmod(folder / "service.py", 0o600)  # noqa: PTH101 - as a strict umask leaves it
    return build_service(folder, tmp_path_factory.mktemp("bare-image"))


@pytest.mark.parametrize("service", ["bare"], indirect=True)
def test_a_folder_without_requirements_gets_the_runners(service: tuple[Stage, str]) -> None:
    """And its own `runtime` is the one it imports."""
    _, url = service

    assert infer(url, "!") == "mine!"


def test_hidden_files_stay_out_and_the_rest_can_be_read(bare: Stage) -> None:
    """Whatever the builder's umask was, the image's user can read it; nobody's secrets are in it."""
    files = [path for path in (bare.root / "service").rglob("*") if path.is_file()]

    assert [path for path in files if path.name.startswith(".")] == []
    assert [path for path in files if not path.stat().st_mode & 0o004] == []


def test_a_locked_folder_gets_its_lock_and_nothing_else(tmp_path: Path) -> None:
    """What an overrides.txt took out when it was locked is not brought back by a package's own wishes."""
    stage = build_service(ROOT / "templates/transcribe", tmp_path)

    listed = subprocess.run(
        (
            stage.root / "opt/venv/bin/python",
            "-c",
            "import pocketsphinx, importlib.util as u; print(u.find_spec('sounddevice'))",
        ),
        env=stage.env,
        capture_output=True,
        text=True,
        check=True,
    )

    assert listed.stdout.strip() == "None"


def test_a_folder_without_a_service_is_no_image(tmp_path: Path) -> None:
    """The builder's output says why."""
    empty = tmp_path / "empty"
    empty.mkdir()

    with pytest.raises(AssertionError, match=r"The folder has no service\.py"):
        build_service(empty, tmp_path / "scratch")
