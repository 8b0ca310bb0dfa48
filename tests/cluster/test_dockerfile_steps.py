"""A Dockerfile's steps make layers, and only those steps are done again that depend on what has changed."""

import os
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from cluster.chroots import Step, StepError, run_step
from cluster.dockerfiles import DockerfileBuild, DockerfileError, Recipe, Stage
from cluster.layers import Layer, LayerStore

BUSYBOX = Path("/bin/busybox")


@dataclass(frozen=True, slots=True)
class Scene:
    """A context with a Dockerfile, a base image of one file, and where layers are kept."""

    folder: Path
    told: list[str] = field(default_factory=list)

    @property
    def context(self) -> Path:
        """Where `COPY` finds files."""
        return self.folder / "context"

    @property
    def store(self) -> LayerStore:
        """Of all layers."""
        return LayerStore(self.folder / "layers")

    def base(self) -> Layer:
        """The base image; with a shell where this machine has a static one."""
        if found := self.store.find("base"):
            return found
        with self.store.draft() as draft:
            for name in ("bin", "dev", "proc", "etc"):
                (draft.tree / name).mkdir()
            (draft.tree / "etc/release").write_text("base")
            if BUSYBOX.exists():
                shutil.copy(BUSYBOX, draft.tree / "bin/busybox")
                for name in ("sh", "cat", "mkdir", "rm", "sleep", "test"):
                    (draft.tree / "bin" / name).symlink_to("busybox")
            return self.store.keep(draft, "base")

    def build(self, *steps: str, ignore: str = "") -> Stage:
        """Carry out steps on the base image."""
        dockerfile = self.folder / "Dockerfile"
        dockerfile.write_text("\n".join(("FROM base", *steps)))
        dockerfile.with_name("Dockerfile.dockerignore").write_text(ignore)
        recipe = Recipe(dockerfile, self.context, {"tools": self.folder / "tools"})
        return DockerfileBuild(recipe, self.base(), self.store, self.told.append).build()


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    """A context of a program and its packages."""
    (tmp_path / "context/code").mkdir(parents=True)
    (tmp_path / "context/code/main.py").write_text("main")
    (tmp_path / "context/packages.txt").write_text("packages")
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools/tool.txt").write_text("tool")
    return Scene(tmp_path)


@pytest.fixture
def namespaces(tmp_path: Path) -> None:
    """Skips a test where a step cannot have mounts of its own, an overlay among them."""
    if os.geteuid() != 0 or not BUSYBOX.exists():
        pytest.skip("needs root and busybox-static")
    folders = [tmp_path / "tried" / name for name in ("lower", "upper", "work", "whole")]
    for folder in folders:
        folder.mkdir(parents=True)
    lower, upper, work, whole = folders
    options = f"lowerdir={lower},upperdir={upper},workdir={work}"
    door = ("unshare", "--mount", "--pid", "--fork", "--propagation", "private")
    mount = ("mount", "-t", "overlay", "-o", options, "overlay", whole)
    tried = subprocess.run((*door, *mount), capture_output=True, text=True, timeout=10, check=False)
    if tried.returncode:
        pytest.skip(f"needs namespaces and overlays: {tried.stderr.strip()}")


def text(stage: Stage, path: str) -> str | None:
    """A file as a container would see it; None where there is none."""
    for layer in reversed(stage.layers):
        if layer.has(path):
            return (layer.tree / path.lstrip("/")).read_text()
    return None


def test_files_of_the_context_are_copied(scene: Scene) -> None:
    """To absolute places and below the working folder; what is to be ignored stays away."""
    (scene.context / "code/.env").write_text("secret")

    stage = scene.build(
        "WORKDIR /src",
        "COPY code/ here/",
        "COPY *.txt /etc/lists/",
        "COPY --from=tools tool.txt t",
        ignore="**/.*",
    )

    assert text(stage, "/src/here/main.py") == "main"
    assert text(stage, "/etc/lists/packages.txt") == "packages"
    assert text(stage, "/src/t") == "tool"
    assert text(stage, "/etc/release") == "base"
    assert text(stage, "/src/here/.env") is None


def test_the_configuration_is_that_of_the_last_stage(scene: Scene) -> None:
    """And `$PATH` is what it was before."""
    stage = scene.build(
        "ENV FIRST=1",
        "FROM base",
        'ENV PATH=/opt/bin:$PATH WORDS="a b"',
        "WORKDIR /opt",
        "USER 65532:65532",
        "EXPOSE 80",
        'CMD ["serve", "it"]',
    )

    config = stage.config
    assert config.env["PATH"].startswith("/opt/bin:/usr/local/sbin:")
    assert (config.env["WORDS"], config.env.get("FIRST")) == ("a b", None)
    assert (config.workdir, config.user, config.command) == ("/opt", "65532:65532", ("serve", "it"))


def test_a_stage_gives_another_its_files(scene: Scene) -> None:
    """Those of the path that is asked for, from all its layers, the later one on top."""
    stage = scene.build(
        "COPY code/ /built/",
        "FROM base AS build",
        "COPY code/ /built/",
        "COPY packages.txt /built/main.py",
        "COPY packages.txt /other/",
        "FROM base",
        "COPY --from=build /built /taken",
    )

    assert text(stage, "/taken/main.py") == "packages"
    assert text(stage, "/other/packages.txt") is None


def test_an_edit_of_the_code_leaves_the_layers_of_packages(scene: Scene) -> None:
    """In the build's stage as in the image, where the code's layer comes last."""
    steps = (
        "FROM base AS build",
        "COPY packages.txt /venv/",
        "COPY code/ /code/",
        "FROM base",
        "COPY --from=build /venv /venv",
        "COPY --from=build /code /code",
    )
    before = scene.build(*steps)
    (scene.context / "code/main.py").write_text("edited")

    after = scene.build(*steps)

    assert after.layers[:2] == before.layers[:2]
    assert after.layers[2] != before.layers[2]
    assert text(after, "/code/main.py") == "edited"


def test_nothing_is_done_twice(scene: Scene) -> None:
    """The same files at another time give the same layers."""
    steps = ("WORKDIR /src", "COPY . .")
    before = scene.build(*steps)
    os.utime(scene.context / "code/main.py", (5, 5))

    after = scene.build(*steps)

    assert after.layers == before.layers
    assert len(list(scene.store.folder.iterdir())) == len(after.layers)


def test_an_unknown_instruction_is_no_silent_one(scene: Scene) -> None:
    """An image that lacks a step would be another image."""
    with pytest.raises(DockerfileError, match="VOLUME is not known here"):
        scene.build("VOLUME /data")


@pytest.mark.usefixtures("namespaces")
def test_a_command_runs_below_the_images_root(scene: Scene) -> None:
    """It sees the base and the steps before it, and what it writes and removes is in its layer."""
    stage = scene.build(
        "ENV WORD=hello",
        "WORKDIR /src",
        "COPY code/ .",
        "RUN echo $WORD $(cat main.py) $(cat /etc/release) > said && rm /etc/release",
    )

    assert text(stage, "/src/said") == "hello main base\n"
    assert (stage.layers[-1].tree / "etc/release").is_char_device()
    assert (stage.layers[0].tree / "etc/release").read_text() == "base"


@pytest.mark.usefixtures("namespaces")
def test_a_command_runs_once(scene: Scene) -> None:
    """Until its text or what stands before it changes."""
    first, again, other = (
        scene.build(f"ENV A={value}", "RUN cat /proc/sys/kernel/random/uuid > /etc/id") for value in (1, 1, 2)
    )

    assert text(first, "/etc/id") == text(again, "/etc/id")
    assert text(first, "/etc/id") != text(other, "/etc/id")


@pytest.mark.usefixtures("namespaces")
def test_a_command_that_fails_shows_its_last_lines(scene: Scene) -> None:
    """And makes no layer."""
    with pytest.raises(StepError, match=r"(?s)RUN echo out of order; exit 7\nfailed with 7:\n  out of order"):
        scene.build("RUN echo out of order; exit 7")

    assert [path.name for path in scene.store.folder.iterdir()] == ["base"]


@pytest.mark.usefixtures("namespaces")
def test_a_command_that_takes_too_long_is_ended_with_all_it_started(scene: Scene) -> None:
    """Also what it left in the background; no mount stays."""
    step = Step("sleep 4711 & sleep 4711", "/", {"PATH": "/usr/bin:/bin"}, seconds=0.5)

    with scene.store.draft() as draft, pytest.raises(StepError, match=r"took longer than 0\.5 s"):
        run_step(step, (scene.base(),), draft)

    assert (
        "4711" not in subprocess.run(("ps", "-eo", "args"), capture_output=True, text=True, check=True).stdout
    )
    assert str(scene.folder) not in Path("/proc/mounts").read_text()


@pytest.mark.usefixtures("namespaces")
def test_only_a_stage_that_builds_gets_what_this_machine_knows(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where packages come from; nothing of it stays in the image."""
    wheels = scene.folder / "wheels"
    wheels.mkdir()
    (wheels / "a.whl").write_text("wheel")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    write = f"RUN echo $PIP_FIND_LINKS > /etc/found; cat {wheels}/a.whl >> /etc/found; true"

    stage = scene.build(
        "FROM base AS build", write, "FROM base", "COPY --from=build /etc/found /etc/from", write
    )

    assert text(stage, "/etc/from") == f"{wheels}\nwheel"
    assert text(stage, "/etc/found") == "\n"
