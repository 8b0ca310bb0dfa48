"""Each template and example, installed into an environment of its own and asked once."""

import base64
import io
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.served_replica import ROOT, Served, started

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

UV = Path(sys.executable).with_name("uv")


def installed(folder: Path, environment: Path, *arguments: str) -> Path:
    """The Python of a new environment with the folder's requirements."""
    python = environment / "bin" / "python"
    subprocess.run([UV, "venv", "-q", "--python", sys.executable, environment], check=True)
    subprocess.run([UV, "pip", *arguments, "-q", "--python", python], cwd=folder, check=True)
    return python


def example(folder: Path, number: int = 0) -> dict[str, Any]:
    """The body of one of the template's examples, with its files in base64."""
    template = yaml.safe_load((folder / "template.yaml").read_text())
    return dict(filled(template["examples"][number]["body"], folder))


def filled(value: Any, folder: Path) -> Any:
    """`value` with `{"$file": name}` replaced by the content in base64."""
    if not isinstance(value, dict):
        return value
    if "$file" in value:
        return base64.b64encode((folder / value["$file"]).read_bytes()).decode()
    return {key: filled(item, folder) for key, item in value.items()}


def template(name: str, tmp_path: Path) -> tuple[Path, Path]:
    """A copy of the template's folder, and the Python that has its requirements."""
    folder = shutil.copytree(ROOT / "templates" / name, tmp_path / name)
    return folder, installed(folder, tmp_path / "venv", "sync", "requirements.txt")


def likeness(one: list[float], other: list[float]) -> float:
    """The dot product."""
    return sum(map(float.__mul__, one, other))


def output(runner: Served, body: dict[str, Any]) -> Any:
    """What the service gave back."""
    answer = runner.until_healthy().post(**body)
    assert answer.status_code == 200, runner.log
    return answer.json()["output"]


def test_ocr_reads_the_receipt_and_draws_boxes_on_it(tmp_path: Path) -> None:
    """Text, boxes and picture belong together."""
    folder, python = template("ocr", tmp_path)

    with started(folder, python=python) as runner:
        reading = output(runner, example(folder))
        no_picture = runner.post(image={"data": base64.b64encode(b"no picture").decode()})

    assert {"Cappuccino", "3.40", "Total", "10.50"} <= set(reading["text"])
    assert len(reading["text"]) == len(reading["boxes"]) == len(reading["scores"])
    assert all(len(box) == 4 for box in reading["boxes"])
    assert io.BytesIO(base64.b64decode(reading["image"]["data"])).read(4) == b"\x89PNG"
    assert no_picture.status_code == 422


def test_embeddings_bring_like_texts_together(tmp_path: Path) -> None:
    """The English and the German cat are nearer to each other than to the bank."""
    folder, python = template("embeddings", tmp_path)

    with started(folder, python=python) as runner:
        cat, katze, bank = output(runner, example(folder))["embeddings"]

    assert len(cat) == 384
    assert likeness(cat, cat) == pytest.approx(1, abs=1e-3)
    assert likeness(cat, katze) > likeness(cat, bank) + 0.05


def test_transcribe_sends_guesses_before_the_final_text(tmp_path: Path) -> None:
    """It streams as it decodes."""
    folder, python = template("transcribe", tmp_path)

    with started(folder, python=python) as runner:
        answer = runner.until_healthy().post(**example(folder))
        no_sound = runner.post(audio={"data": base64.b64encode(b"no sound").decode()})

    *events, done = [line.removeprefix("data: ") for line in answer.text.splitlines() if line]
    pieces = [json.loads(event) for event in events]
    assert done == "[DONE]"
    assert len(pieces) > 5
    assert [piece["final"] for piece in pieces] == [False] * (len(pieces) - 1) + [True]
    assert pieces[-1]["text"].startswith("had he married a more amiable woman")
    assert no_sound.status_code == 422


def test_a_users_own_class_is_served_with_the_runners_requirements_added(tmp_path: Path) -> None:
    """As the platform installs a folder whose requirements name only what the user needs."""
    folder = shutil.copytree(ROOT / "examples" / "sentiment", tmp_path / "sentiment")
    runner_needs = ROOT / "runtime" / "replica" / "requirements.txt"
    python = installed(
        folder, tmp_path / "venv", "install", "-r", "requirements.txt", "-r", str(runner_needs)
    )

    with started(folder, python=python) as runner:
        assert output(runner, {"text": "What a wonderful day!"})["label"] == "positive"
        assert output(runner, {"text": "This is terrible."})["label"] == "negative"
