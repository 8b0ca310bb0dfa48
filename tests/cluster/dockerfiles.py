"""Carries out a Dockerfile without a container engine: each step that changes files makes one layer.

A step is done again only when something that it depends on has changed: the steps before it, its own text, the
contents it copies. So an edit of the code costs what comes after the packages, as with a builder's cache.
"""

import json
import shlex
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from string import Template

from cluster.chroots import Step, run_step
from cluster.layers import Layer, LayerStore, key_of, tree_digest
from cluster.oci import ImageConfig
from cluster.progress import Tell, duration
from support.image_builds import ImageBuild, read_steps
from support.image_builds import Stage as Folder
from support.image_builds import Step as Instruction

STEP_SECONDS = 600.0
COPY_SECONDS = 120.0
TELL_SECONDS = 2.0
"""A step that took longer is told."""
BASE_ENV = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}
SHOWN = 60


class DockerfileError(ValueError):
    """An instruction that is not known here."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """A Dockerfile and where its `COPY` finds files: the context, and further ones by name."""

    dockerfile: Path
    context: Path
    named: Mapping[str, Path] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Stage:
    """An image on its way: its layers, the lowest first, and how it is run."""

    layers: tuple[Layer, ...]
    config: ImageConfig
    is_last: bool

    @property
    def workdir(self) -> str:
        """Where the next step starts."""
        return self.config.workdir or "/"

    def key(self, *parts: str) -> str:
        """The key of a step after the ones so far."""
        below = self.layers[-1].key
        return key_of(below, repr(sorted(self.config.env.items())), self.workdir, *parts)


@dataclass(slots=True)
class DockerfileBuild:
    """One Dockerfile on one base."""

    recipe: Recipe
    base: Layer
    store: LayerStore
    say: Tell
    _stages: dict[str, Stage] = field(default_factory=dict)

    def build(self) -> Stage:
        """The last stage, all steps carried out.

        Raises:
            StepError: a step failed.
            DockerfileError: it holds an instruction that is not known here.
        """
        steps = read_steps(self.recipe.dockerfile.read_text(encoding="utf-8"))
        stages = [number for number, step in enumerate(steps) if step.name == "FROM"]
        stage, name = Stage((self.base,), ImageConfig(), is_last=False), ""
        for number, step in enumerate(steps):
            if step.name == "FROM":
                name = step.rest.partition(" AS ")[2]
                config = ImageConfig(env=BASE_ENV)
                stage = Stage((self.base,), config, is_last=number == stages[-1])
            else:
                stage = self._carry_out(stage, step)
            self._stages[name] = stage
        return stage

    def _carry_out(self, stage: Stage, step: Instruction) -> Stage:
        stage = replace(stage, config=_configured(stage.config, step))
        layer = self._layer(stage, step)
        return stage if layer is None else replace(stage, layers=(*stage.layers, layer))

    def _layer(self, stage: Stage, step: Instruction) -> Layer | None:
        """What a step adds; none where it changes no file."""
        match step.name:
            case "RUN":
                return self._run(stage, step.rest)
            case "COPY" if step.flags.get("from") in self._stages:
                return self._copy_stage(stage, step)
            case "COPY":
                return self._copy(stage, step)
            case "WORKDIR":
                return self._make_folder(stage)
            case "ARG" | "CMD" | "ENV" | "EXPOSE" | "USER":
                return None
        raise DockerfileError(f"{self.recipe.dockerfile}: {step.name} is not known here.")

    def _run(self, stage: Stage, text: str) -> Layer:
        key = stage.key("RUN", text)
        if found := self.store.find(key):
            return found
        # The last stage gets no packages, and nothing of this machine may stay in an image.
        step = Step(text, stage.workdir, stage.config.env, STEP_SECONDS, is_online=not stage.is_last)
        begun = time.monotonic()
        with self.store.draft() as draft:
            run_step(step, stage.layers, draft)
            layer = self.store.keep(draft, key)
        if (took := time.monotonic() - begun) > TELL_SECONDS:
            self.say(f"  RUN {' '.join(text.split())[:SHOWN]}… {duration(took)}")
        return layer

    def _copy(self, stage: Stage, step: Instruction) -> Layer:
        """Of a context: always copied, for only then it is known what would be in the layer."""
        with self.store.draft() as draft:
            build = ImageBuild(self.recipe.dockerfile, self.recipe.context, draft.work, self.recipe.named)
            build.copy(Folder(draft.tree, workdir=stage.workdir), step)
            return self.store.keep(draft, stage.key("COPY", tree_digest(draft.tree)))

    def _copy_stage(self, stage: Stage, step: Instruction) -> Layer:
        """Of another stage: what its layers hold at that path, and nothing else of it, decides about the key."""
        source, target = step.rest.split()
        layers = [layer for layer in self._stages[step.flags["from"]].layers if layer.has(source)]
        key = stage.key("COPY", step.rest, *(layer.key for layer in layers))
        if found := self.store.find(key):
            return found
        with self.store.draft() as draft:
            place = draft.tree / target.lstrip("/")
            place.parent.mkdir(parents=True, exist_ok=True)
            for layer in layers:
                _link(layer.tree / source.lstrip("/"), place)
            return self.store.keep(draft, key)

    def _make_folder(self, stage: Stage) -> Layer:
        key = stage.key("WORKDIR")
        if found := self.store.find(key):
            return found
        with self.store.draft() as draft:
            draft.tree.joinpath(stage.workdir.lstrip("/")).mkdir(parents=True, exist_ok=True)
            return self.store.keep(draft, key)


def _configured(config: ImageConfig, step: Instruction) -> ImageConfig:
    match step.name:
        case "ENV":
            return replace(config, env=_env(config.env, step.rest))
        case "WORKDIR":
            return replace(config, workdir=step.rest)
        case "USER":
            return replace(config, user=step.rest)
        case "CMD":
            return replace(config, command=tuple(json.loads(step.rest)))
    return config


def _env(env: Mapping[str, str], rest: str) -> dict[str, str]:
    """The environment with what an `ENV` sets; `$NAME` is what it was before."""
    pairs = (word.partition("=") for word in shlex.split(rest))
    return {**env, **{name: Template(value).safe_substitute(env) for name, _, value in pairs}}


def _link(source: Path, place: Path) -> None:
    """A file or folder over what is there already. Links, not copies: nobody changes a layer's files."""
    argv = ("cp", "-alT", "--remove-destination", source, place)
    subprocess.run(argv, check=True, capture_output=True, timeout=COPY_SECONDS)
