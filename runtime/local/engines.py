"""Container engines: docker or podman, where one is there and answers."""

import asyncio
import base64
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from runtime.local.errors import PrepareError
from runtime.local.logs import last_lines, size_of
from runtime.local.notes import Launch
from runtime.local.processes import Command, base_environment, mark_of, run_to_end
from runtime.local.secret_values import SecretValues
from runtime.local.settings import Settings
from runtime.wire import EndpointRecord, ImageSource, RegistryLogin

ENGINES = ("docker", "podman")
ANSWER_SECONDS = 5.0
PULL_SECONDS = 3600.0
REMOVE_SECONDS = 20.0
INSTEAD = "or say in local.command of endpoints.yaml how to run it without one"


@dataclass(frozen=True, slots=True)
class Engines:
    """Finds an engine, pulls images, and says how a container is started and removed."""

    settings: Settings
    secrets: SecretValues

    async def find(self, log: Path) -> str:
        """Path of the first engine that answers.

        Raises:
            PrepareError: none does.
        """
        silent = []
        for name in ENGINES:
            engine = shutil.which(name, path=self.settings.environ.get("PATH"))
            if engine is None:
                continue
            if await self._run([engine, "info"], log, ANSWER_SECONDS):
                return engine
            silent.append(name)
        if silent:
            raise PrepareError(f"{' and '.join(silent)} does not answer: start its service, {INSTEAD}.")
        raise PrepareError(
            f"an image needs docker or podman, and neither is on PATH: install one, {INSTEAD}."
        )

    async def prepare(self, source: ImageSource, log: Path) -> str:
        """The engine, with the image at hand: pulled unless it is there already.

        Raises:
            PrepareError: there is no engine, or the image cannot be pulled.
            SecretError: the registry's password has no value.
        """
        engine = await self.find(log)
        if not await self._run([engine, "image", "inspect", source.image], log, ANSWER_SECONDS):
            begin = size_of(log)
            with self._login(source.registry) as env:
                if not await self._run([engine, "pull", source.image], log, PULL_SECONDS, env):
                    raise PrepareError(f"{source.image} cannot be pulled: {last_lines(log, 5, begin)}")
        return engine

    async def _run(
        self, argv: list[str], log: Path, seconds: float, env: Mapping[str, str] | None = None
    ) -> bool:
        whole = {**engine_environment(self.settings.environ), **(env or {})}
        command = Command(argv, whole, self.settings.root, log, mark_of(self.settings.state, "engine"))
        try:
            return await run_to_end(command, seconds) == 0
        except (OSError, TimeoutError):
            return False

    @contextmanager
    def _login(self, registry: RegistryLogin | None) -> Iterator[dict[str, str]]:
        """Variables that make docker and podman find the login, in a folder that is removed afterwards."""
        if registry is None:
            yield {}
            return
        text = login_file(registry, self.secrets.get(registry.password_secret))
        with tempfile.TemporaryDirectory(prefix="moorage-login-") as folder:  # mode 0700
            path = Path(folder) / "config.json"
            path.touch(mode=0o600)
            path.write_text(text)
            yield {"DOCKER_CONFIG": folder, "REGISTRY_AUTH_FILE": str(path)}


def login_file(registry: RegistryLogin, password: str) -> str:
    """The engines' file of logins, with this one."""
    pair = base64.b64encode(f"{registry.username}:{password}".encode()).decode()
    return json.dumps({"auths": {registry.server: {"auth": pair}}})


def engine_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """What an engine's client sees: the few variables of any program, and where its daemon is."""
    own = {
        name: value
        for name, value in environ.items()
        if name.startswith(("DOCKER_", "CONTAINER_", "CONTAINERS_"))
    }
    return {**base_environment(environ), **own}


def container_launch(engine: str, record: EndpointRecord, image: str, cwd: Path, gpus: bool) -> Launch:
    """How a container is started: attached, so that its client is the replica's model process.

    Secrets are named without values; the client takes those from its own environment.
    """
    env = {**record.env, "PORT": str(record.port)}
    flags = [part for name, value in sorted(env.items()) for part in ("-e", f"{name}={value}")]
    flags += [part for name in sorted(record.secrets) for part in ("-e", name)]
    flags += gpu_flags(engine) if gpus and record.hardware != "cpu" else []
    return Launch(
        argv=(
            *(engine, "run", "--rm", "--name", "{container}", "--label", "moorage=local"),
            *("--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--pull", "never"),
            *("-p", f"127.0.0.1:{{port}}:{record.port}"),
            *flags,
            image,
        ),
        cwd=str(cwd),
        container=True,
    )


def gpu_flags(engine: str) -> list[str]:
    """How a container gets the machine's GPUs."""
    docker = Path(engine).name == "docker"
    return ["--gpus", "all"] if docker else ["--device", "nvidia.com/gpu=all"]


async def remove_container(engine: str, name: str, environ: Mapping[str, str], state: Path) -> None:
    """Remove a container whose client was killed; nothing happens when it is gone."""
    command = Command(
        (engine, "rm", "--force", name),
        engine_environment(environ),
        state,
        Path(os.devnull),
        mark_of(state, "engine"),
    )
    try:
        await asyncio.shield(run_to_end(command, REMOVE_SECONDS))
    except (OSError, TimeoutError):
        return
