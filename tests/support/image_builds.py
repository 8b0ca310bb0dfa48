"""Reads a Dockerfile and carries out its steps in folders, where no container engine is.

It knows the instructions that ours use. A stage is a folder that stands for its root; absolute paths of a step are
turned into paths below it. What only makes sense in a container (the base image's own files, users) is left out: a
`RUN` of the last stage is not carried out.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

STEP_SECONDS = 600.0
OURS = re.compile(r"(?<![\w$}/.-])/(src|opt|service)(?![\w-])")
"""Folders of an image that belong to us; the others are the base image's."""
LEFT_OUT_ENV = frozenset({"UV_NO_CACHE"})
"""The machine's own cache of packages makes a test quick."""


@dataclass(frozen=True, slots=True)
class Step:
    """One instruction: `COPY`, its flags (`from`) and the rest of it."""

    name: str
    flags: Mapping[str, str]
    rest: str


def read_steps(text: str) -> list[Step]:
    """The instructions in order; comments are dropped, also those between continued lines."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n", " ", "\n".join(lines))
    return [_read_step(line) for line in joined.splitlines() if line.strip()]


def _read_step(line: str) -> Step:
    name, _, rest = line.strip().partition(" ")
    flags: dict[str, str] = {}
    while found := re.match(r"\s*--([a-z]+)=(\S+)\s*", rest):
        flags[found[1]] = found[2]
        rest = rest[found.end() :]
    return Step(name.upper(), flags, rest.strip())


def is_ignored(path: str, patterns: str) -> bool:
    """Whether a .dockerignore keeps a file out: the last line that fits it or a folder above it decides."""
    ignored = False
    for line in patterns.splitlines():
        if not line or line.startswith("#"):
            continue
        fits = re.fullmatch(f"{_regex(line.removeprefix('!'))}(/.*)?", path) is not None
        ignored = line[0] != "!" if fits else ignored
    return ignored


def _regex(pattern: str) -> str:
    parts = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", ".": r"\."}
    return re.sub(r"\*\*/|\*\*|\*|\.", lambda found: parts[found[0]], pattern)


@dataclass(slots=True)
class Stage:
    """The folder of one `FROM` and what the following steps set."""

    root: Path
    env: dict[str, str] = field(default_factory=dict)
    workdir: str = "/"
    command: tuple[str, ...] = ()

    def real(self, text: str) -> str:
        """The text with the image's paths turned into those of this machine."""
        return OURS.sub(lambda found: f"{self.root}/{found[1]}", text)

    def place(self, path: str) -> Path:
        """Where a path of the image, absolute or from the working folder, is on this machine."""
        return self.root / os.path.normpath(Path(self.workdir, path)).lstrip("/")


@dataclass(slots=True)
class ImageBuild:
    """Carries out a Dockerfile below `scratch`; `image` is its last stage."""

    dockerfile: Path
    context: Path
    scratch: Path
    named: Mapping[str, Path] = field(default_factory=dict)
    stages: dict[str, Stage] = field(default_factory=dict)

    def build(self) -> Stage:
        """Carry out all steps; the last stage."""
        steps = read_steps(self.dockerfile.read_text(encoding="utf-8"))
        last = sum(step.name == "FROM" for step in steps)
        stage = Stage(self.scratch)
        for step in steps:
            match step.name:
                case "FROM":
                    stage = self._begin(step)
                case "RUN" if len(self.stages) < last:
                    self._run(stage, step.rest)
                case "COPY":
                    self.copy(stage, step)
                case "ENV":
                    self._set(stage, step.rest)
                case "WORKDIR":
                    stage.workdir = step.rest
                    stage.place(".").mkdir(parents=True, exist_ok=True)
                case "CMD":
                    stage.command = tuple(json.loads(step.rest))
                case _:  # ARG, USER, EXPOSE and a RUN of the last stage change no file of ours
                    pass
        return stage

    def _begin(self, step: Step) -> Stage:
        _, _, name = step.rest.partition(" AS ")
        stage = Stage(self.scratch / (name or "image"))
        stage.root.mkdir(parents=True)
        stage.env = {"PATH": f"{self._interpreter().parent}:/usr/bin:/bin", "LANG": "C.UTF-8"}
        self.stages[name or "image"] = stage
        return stage

    def _interpreter(self) -> Path:
        """`python`, as the base image calls it: this one's, without the tests' virtual environment.

        No link, for an environment that is made through one looks for the standard library beside it.
        """
        script = self.scratch / "bin" / "python"
        if not script.exists():
            script.parent.mkdir(parents=True)
            script.write_text(f'#!/bin/sh\nexec "{Path(sys.executable).resolve()}" "$@"\n', encoding="utf-8")
            script.chmod(0o755)
        return script

    def _set(self, stage: Stage, rest: str) -> None:
        for word in shlex.split(rest):
            name, _, value = word.partition("=")
            if name not in LEFT_OUT_ENV:
                stage.env[name] = stage.real(value).replace("$PATH", stage.env["PATH"])

    def _run(self, stage: Stage, text: str) -> None:
        given = {name: os.environ[name] for name in os.environ if name.startswith(("UV_", "PIP_", "SSL_"))}
        given["HOME"] = os.environ.get("HOME", "/tmp")  # noqa: S108 - where the installers keep their cache
        ran = subprocess.run(
            ("sh", "-c", stage.real(text)),
            cwd=stage.place("."),
            env={**given, **stage.env},
            capture_output=True,
            text=True,
            timeout=STEP_SECONDS,
            check=False,
        )
        if ran.returncode != 0:
            raise AssertionError(f"RUN {text}\n{ran.stdout}\n{ran.stderr}")

    def copy(self, stage: Stage, step: Step) -> None:
        """Carry out a `COPY` into the folder of a stage."""
        *sources, target = step.rest.split()
        place = stage.place(target)
        for source in sources:
            for found in self.found(step.flags.get("from"), source):
                if found.is_dir():
                    shutil.copytree(found, place, symlinks=True, dirs_exist_ok=True, ignore=self._ignore)
                else:
                    into = place / found.name if target.endswith("/") else place
                    into.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy2(found, into)

    def found(self, where: str | None, source: str) -> list[Path]:
        """What a `COPY` would take: of a stage, of a named context or of the context."""
        if where in self.stages:
            return [self.stages[where].place(source)]
        base = self.context if where is None else self.named[where]
        names = [base] if source == "." else sorted(base.glob(source.rstrip("/")))
        return [path for path in names if where is not None or not self._is_ignored(path)]

    def _ignore(self, folder: str, names: list[str]) -> list[str]:
        """Of a folder of the context, what its ignore file keeps out."""
        if not Path(folder).is_relative_to(self.context):
            return []
        return [name for name in names if self._is_ignored(Path(folder, name))]

    def _is_ignored(self, path: Path) -> bool:
        patterns = Path(f"{self.dockerfile}.dockerignore").read_text(encoding="utf-8")
        name = path.relative_to(self.context).as_posix()
        below = [name] if path.is_file() else [name, f"{name}/x"]  # a folder may hold what is asked for again
        return name != "." and all(is_ignored(each, patterns) for each in below)
