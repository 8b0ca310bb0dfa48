"""From an endpoint's record to how its model is started."""

import os
import shlex
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from runtime.local.engines import Engines, container_launch, engine_environment
from runtime.local.environments import Environments, Recipe, folder_of
from runtime.local.errors import PrepareError
from runtime.local.notes import Launch
from runtime.local.processes import base_environment
from runtime.local.secret_values import SecretValues
from runtime.local.settings import Settings
from runtime.wire import CommandSource, EndpointRecord, ImageSource, PythonSource


@dataclass(frozen=True, slots=True)
class Sources:
    """Prepares what replicas need, once for all replicas of an endpoint, and says how to start one."""

    settings: Settings
    secrets: SecretValues
    environments: Environments
    engines: Engines

    def doing(self, record: EndpointRecord) -> str:
        """What `prepare` does for this record, in words."""
        return "pulling the image" if isinstance(record.source, ImageSource) else "installing packages"

    def is_prepared(self, record: EndpointRecord) -> bool:
        """Whether `prepare` would have nothing to install."""
        source = record.source
        if not isinstance(source, PythonSource):
            return isinstance(source, CommandSource)
        try:
            recipe = self._recipe(source)
        except PrepareError:
            return False
        return self.environments.python(recipe).exists()

    def environment_key(self, record: EndpointRecord) -> str:
        """Name of the environment of a `python:` endpoint; empty where it has none."""
        try:
            return self._recipe(record.source).key if isinstance(record.source, PythonSource) else ""
        except PrepareError:
            return ""

    async def prepare(self, record: EndpointRecord, log: Path) -> Launch:
        """How to start a replica, after all that it needs was installed; may take minutes.

        Raises:
            PrepareError: that failed; the text says why and what mends it.
            SecretError: a secret that is needed has no value.
        """
        self.secrets.fill(record.secrets)
        source = record.source
        if isinstance(source, PythonSource):
            return await self._python(source, log)
        if isinstance(source, CommandSource):
            return command_launch(source.command, self.settings)
        engine = await self.engines.prepare(source, log)
        gpus = shutil.which("nvidia-smi", path=self.settings.environ.get("PATH")) is not None
        return container_launch(engine, record, source.image, self.settings.root, gpus)

    async def _python(self, source: PythonSource, log: Path) -> Launch:
        folder = folder_of(self.settings.root, source.folder)
        python = await self.environments.make(self._recipe(source), folder, log)
        return python_launch(python, folder, self.settings.code)

    def _recipe(self, source: PythonSource) -> Recipe:
        return self.environments.recipe(folder_of(self.settings.root, source.folder))

    def environment(self, record: EndpointRecord, launch: Launch, port: int) -> dict[str, str]:
        """The model's whole environment: little of ours, the record's own and its secrets.

        Raises:
            SecretError: a secret has no value.
        """
        secrets = self.secrets.fill(record.secrets)
        return model_environment(self.settings.environ, record, launch, port, secrets)


def python_launch(python: Path, folder: Path, code: Path) -> Launch:
    """A folder's service, run by our runner in an environment of its own."""
    return Launch(
        argv=(str(python), "-m", "runtime.replica", "--folder", str(folder), "--port", "{port}"),
        cwd=str(folder),
        env={"PYTHONPATH": str(code)},
    )


def command_launch(command: str, settings: Settings) -> Launch:
    """A command line of the user's, started in the project's root.

    Raises:
        PrepareError: it cannot be split into words, or its program is not on PATH.
    """
    try:
        words = shlex.split(command)
    except ValueError as exc:
        raise PrepareError(f"local.command cannot be read: {exc}.") from exc
    if not words:
        raise PrepareError("local.command is empty.")
    path = settings.environ.get("PATH", os.defpath)
    beside = settings.root / words[0] if os.sep in words[0] else None
    program = shutil.which(str(beside or words[0]), path=path)
    if program is None:
        raise PrepareError(f"local.command: {words[0]!r} is not on PATH.")
    return Launch(argv=(program, *words[1:]), cwd=str(settings.root))


def model_environment(
    environ: Mapping[str, str],
    record: EndpointRecord,
    launch: Launch,
    port: int,
    secrets: Mapping[str, str],
) -> dict[str, str]:
    """Everything a model's process sees. A container's own variables stand in its command line."""
    if launch.container:
        return {**engine_environment(environ), **secrets}
    plain = {**base_environment(environ), "PYTHONUNBUFFERED": "1"}
    return {**plain, **record.env, **secrets, **launch.env, "PORT": str(port)}


def filled(launch: Launch, port: int, container: str) -> tuple[str, ...]:
    """The command line with the replica's port, and its container's name where it has one."""
    words = (word.replace("{port}", str(port)) for word in launch.argv)
    return tuple(word.replace("{container}", container) if launch.container else word for word in words)
