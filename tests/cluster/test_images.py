"""Images of static programs, and what is said when one cannot be made."""

import json
import os
import tarfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from cluster.containers import Archive
from cluster.images import RECIPES, ImageError, build_images


@dataclass(frozen=True, slots=True)
class Scene:
    """A folder of images and one of a module's programs."""

    folder: Path
    told: list[str] = field(default_factory=list)

    @property
    def program(self) -> Path:
        """The model."""
        return self.folder / "model/model"

    def build(self, *names: str) -> dict[str, Archive]:
        """Make images of what is there."""
        modules = {"model": self.program.parent}
        return build_images(modules, names, folder=self.folder / "images", say=self.told.append)


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    """One with a program."""
    made = Scene(tmp_path)
    made.program.parent.mkdir()
    made.program.write_bytes(b"program")
    return made


def read(archive: Archive) -> tuple[dict[str, Any], dict[str, tarfile.TarInfo]]:
    """How an image is run, and the files of its only layer."""
    with tarfile.open(archive.path) as tar:

        def member(name: str) -> Any:
            found = tar.extractfile(name)
            assert found is not None
            return found

        (listed,) = json.load(member("manifest.json"))
        (layer,) = listed["Layers"]
        with tarfile.open(fileobj=member(layer)) as files:
            return json.load(member(listed["Config"]))["config"], {entry.name: entry for entry in files}


def test_a_program_is_alone_in_its_image(scene: Scene) -> None:
    """It runs as a user without rights, by number, and finds a place for its temporary files."""
    config, files = read(scene.build("model")["model"])

    assert config == {"User": "65532:65532", "Entrypoint": ["/model"]}
    assert sorted(files) == ["model", "tmp"]
    assert (files["model"].mode, files["tmp"].mode) == (0o755, 0o1777)


def test_the_private_image_is_the_models_twin_and_not_itself(scene: Scene) -> None:
    """Once a node has pulled it with a login, kubelet wants that login from whoever runs the same image."""
    images = scene.build("model", "private")

    configs = {name: read(archive)[0] for name, archive in images.items()}

    assert configs["private"].pop("Env") == ["IMAGE=private"]
    assert configs["private"] == configs["model"]


def test_an_unchanged_image_is_not_made_again(scene: Scene) -> None:
    """Nothing is said and nothing is written."""
    first = scene.build("model")["model"]
    before = first.path.stat().st_ino

    again = scene.build("model")["model"]

    assert (again, again.path.stat().st_ino, len(scene.told)) == (first, before, 1)


def test_another_program_is_another_image(scene: Scene) -> None:
    """By its name too: a node that has the old one does not take it for the new one."""
    first = scene.build("model")["model"]
    scene.program.write_bytes(b"another program")

    second = scene.build("model")["model"]

    assert first.name != second.name
    assert first.path != second.path
    assert second.name.startswith("docker.io/moorage/model:")


def test_everybody_may_read_what_a_strict_shell_made(scene: Scene) -> None:
    """The image's user has no rights of its owner."""
    before = os.umask(0o077)
    try:
        _, files = read(scene.build("model")["model"])
    finally:
        os.umask(before)

    assert [name for name, entry in files.items() if not entry.mode & 0o005] == []


def test_an_unknown_image_is_told_with_those_there_are() -> None:
    """Before anything is made."""
    with pytest.raises(
        ImageError, match=r"there is no image runtme\. There are: model, private, pause, .*runtime"
    ):
        build_images({}, ["runtme"])


def test_an_image_without_its_programs_is_told(scene: Scene) -> None:
    """The module was not built, or its program is not where it should be."""
    with pytest.raises(ImageError, match="the image keda needs the programs of the module keda"):
        scene.build("keda")
    scene.program.unlink()
    with pytest.raises(ImageError, match=r"there is no program .*/model/model\."):
        scene.build("model")


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_what_a_recipe_takes_files_from_is_there(name: str) -> None:
    """The Dockerfile, its context, and the others by name."""
    recipe = RECIPES[name]

    assert recipe.dockerfile.is_file()
    assert all(folder.is_dir() for folder in (recipe.context, *recipe.named.values()))
