"""Puts the platform into the cluster as a user without Pulumi does, or with Pulumi where it is on PATH.

Without it: docs/reference.md, "make render", to the letter. The project is `tests/e2e/project` with the real
images in it, in a folder of its own.
"""

import base64
import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from e2e.client import Access, kubectl
from e2e.commands import CommandError, run_command

from infra.plan.digests import docker_config

ROOT = Path(__file__).parent.parent.parent
PROJECT = Path(__file__).parent / "project"
STACK = "e2e"
MODEL, RUNTIME, SENTIMENT = (f"docker.io/moorage/{name}:e2e" for name in ("model", "runtime", "sentiment"))
"""What stands in the project for the images."""
REGISTRY = "registry.e2e.test"
"""What stands in the project for the private registry's address."""
APPLY_SECONDS = 120.0
AVAILABLE_SECONDS = 240.0
PULUMI_SECONDS = 900.0
COMPONENTS = ("statefulset/queue", "deployment/scaler", "deployment/api", "deployment/gateway")
SECRETS: Mapping[str, str] = {"message": "what only the model may know", "wrong-password": "not-the-password"}
"""Values of the project's secrets beside the registry's password."""
ABSENT = "absent"
"""The one that has no value anywhere."""

Endpoint = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Parts:
    """What the suite is given: images by name, and the private registry (address, user, password, image)."""

    images: Mapping[str, str]
    registry: Mapping[str, str]

    @classmethod
    def from_environment(cls) -> "Parts":
        """As `E2E_IMAGES` and `E2E_REGISTRY` name them, each a JSON file.

        Raises:
            KeyError: a variable, or an image, is missing.
        """
        images = json.loads(Path(os.environ["E2E_IMAGES"]).read_text(encoding="utf-8"))
        registry = json.loads(Path(os.environ["E2E_REGISTRY"]).read_text(encoding="utf-8"))
        return cls(images, registry)

    def put_into(self, text: str) -> str:
        """A file of the project with the real images and the registry's address."""
        images = self.images
        real = {MODEL: images["model"], RUNTIME: images["runtime"], SENTIMENT: images["sentiment"]}
        for stand_in, image in (*real.items(), (REGISTRY, self.registry["address"])):
            text = text.replace(stand_in, image)
        return text


@dataclass(slots=True)
class Installation:
    """One platform in the cluster.

    `apply()` installs or brings back the project as it stands; `apply({"zero": None, "more": {…}})` the same
    project without one endpoint and with another, or with one edited. It blocks: in a test that goes on
    meanwhile call it by `asyncio.to_thread`.
    """

    parts: Parts
    folder: Path
    """Of its own: project, key and what is rendered."""
    context: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Settings of the stack that differ from the file's, such as `{"namespace": "other", "scaler": "keda"}`."""
    only: Sequence[str] = ()
    """Endpoints of the project that are installed; all of them unless given."""
    values: dict[str, str] = field(default_factory=dict)
    """Secrets whose values differ from `SECRETS`; handed out by the next `apply`."""
    tell: Callable[[str], None] = lambda _: None
    access: Access = field(init=False)
    """How it is reached; there once `apply` has returned."""

    @property
    def namespace(self) -> str:
        """Of the platform."""
        return str(self._stack()["config"]["moorage:namespace"])

    @property
    def _spaces(self) -> tuple[str, str, str]:
        """All namespaces, the platform's first."""
        return (self.namespace, f"{self.namespace}-baseline", f"{self.namespace}-restricted")

    @property
    def holds_secrets(self) -> bool:
        """Whether the stack holds the values, so that a new one rolls those that read it."""
        return bool(self._stack()["config"]["moorage:secrets"] == "pulumi")

    @property
    def project(self) -> Path:
        """The folder of endpoints.yaml."""
        return self.folder / "project"

    def endpoint(self, name: str) -> dict[str, Any]:
        """An endpoint as the project has it, to be edited: `apply({"zero": {**it, "timeout": 9}})`.

        Raises:
            StopIteration: there is none of that name.
        """
        return dict(next(each for each in self._spec()["endpoints"] if each["name"] == name))

    def apply(self, changed: Mapping[str, Endpoint | None] | None = None) -> None:
        """Bring the cluster to the project with these endpoints changed: an endpoint by its name, None: removed.

        Raises:
            CommandError: a step failed.
        """
        self._write_project(changed or {})
        if shutil.which("pulumi"):
            self._up()
        else:
            self._render_and_apply()
        self._wait_until_available()

    def remove(self) -> None:
        """Take everything out of the cluster again, disks too.

        Raises:
            CommandError: a step failed.
        """
        for space in self._spaces[1:]:  # they have a finalizer, and its operator may be asked to go with us
            if self.settings.get("scaler") == "keda":
                self._kubectl("delete", "scaledobjects.keda.sh", "--all", "--namespace", space)
        self._kubectl("delete", "namespace", *self._spaces, "--ignore-not-found", "--wait=false")

    # ------------------------------------------------------------------ the project

    def _spec(self) -> dict[str, Any]:
        text = self.parts.put_into((PROJECT / "endpoints.yaml").read_text(encoding="utf-8"))
        spec: dict[str, Any] = yaml.safe_load(text)
        return spec

    def _stack(self) -> dict[str, Any]:
        text = self.parts.put_into((PROJECT / "stacks" / f"Pulumi.{STACK}.yaml").read_text(encoding="utf-8"))
        stack: dict[str, Any] = yaml.safe_load(text)
        if shutil.which("pulumi"):
            stack["config"]["moorage:secrets"] = "pulumi"
        stack["config"] |= {f"moorage:{key}": value for key, value in self.settings.items()}
        if self.context:
            stack["config"]["moorage:context"] = self.context
        return stack

    def _write_project(self, changed: Mapping[str, Endpoint | None]) -> None:
        spec = self._spec()
        kept = [each for each in spec["endpoints"] if not self.only or each["name"] in self.only]
        endpoints = {each["name"]: each for each in kept} | dict(changed)
        spec["endpoints"] = [each for each in endpoints.values() if each is not None]
        (self.project / "stacks").mkdir(parents=True, exist_ok=True)
        _write_yaml(self.project / "endpoints.yaml", _without_unused(spec))
        _write_yaml(self.project / "stacks" / f"Pulumi.{STACK}.yaml", self._stack())
        shutil.copytree(ROOT / "examples", self.project / "examples", dirs_exist_ok=True)

    # ------------------------------------------------------------------ without Pulumi

    def _render_and_apply(self) -> None:
        out = self.folder / "rendered"
        self.tell("rendering")
        self._infra("render", "--out", str(out))
        self._kubectl("apply", "--server-side", *_files(out, "cluster"))
        self.tell("making the Secrets that must be there first")
        self._kubectl("apply", "--server-side", "-f", "-", stdin=self._secrets(out))
        self.tell("applying")
        try:
            self._kubectl("create", "-f", str(out / "first"))
        except CommandError as refused:
            if "AlreadyExists" not in str(refused):
                raise
        for space in self._spaces:
            self._kubectl(
                "apply",
                "--server-side",
                "--force-conflicts",
                "--prune",
                f"--namespace={space}",
                "--applyset=configmap/applyset",
                *_files(out, space),
                environment={"KUBECTL_APPLYSET": "true"},
            )
        tokens = yaml.safe_load(self._own_secrets("--tokens"))
        self._note_access(tokens, self._queue_password())

    def _secrets(self, out: Path) -> str:
        """The platform's own, and those of needed-secrets.json that somebody has a value of."""
        own = self._own_secrets()
        needed = json.loads((out / "needed-secrets.json").read_text(encoding="utf-8"))
        given = [self._given(each) for each in needed]
        return own + "".join(f"---\n{json.dumps(secret)}\n" for secret in given if secret)

    def _given(self, needed: Mapping[str, Any]) -> dict[str, Any] | None:
        """One Secret with its value; None for the platform's own, and for those without a value."""
        kind, _, name = str(needed["name"]).partition("-")
        values = self._all_values()
        if kind == "secret" and name in values:
            content = {"value": values[name]}
        elif kind == "registry":
            login = self._spec()["registries"][name]
            password = values[login["password"]["secret"]]
            content = {".dockerconfigjson": docker_config(login["server"], login["username"], password)}
        else:
            return None
        return {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": needed["name"], "namespace": needed["namespace"]},
            "type": needed["type"],
            "stringData": content,
        }

    def _all_values(self) -> dict[str, str]:
        return {**SECRETS, "registry-password": self.parts.registry["password"], **self.values}

    def _own_secrets(self, *options: str) -> str:
        return self._infra("platform_secrets", "--key", str(self.folder / "key"), *options)

    def _queue_password(self) -> str:
        secret = json.loads(
            self._kubectl("get", "secret", "queue", f"--namespace={self.namespace}", "-o", "json")
        )
        url = base64.b64decode(secret["data"]["gateway-url"]).decode()
        return url.removeprefix("valkey://gateway:").partition("@")[0]

    def _infra(self, program: str, *options: str) -> str:
        command = [sys.executable, "-m", f"infra.{program}", "--stack", STACK, "--project", str(self.project)]
        return run_command([*command, *options], APPLY_SECONDS, folder=ROOT)

    # ------------------------------------------------------------------ with Pulumi

    def _up(self) -> None:
        """`pulumi up`, its state in a folder of our own."""
        program = {"name": "moorage", "main": "infra", "stackConfigDir": "stacks"}
        runtime = {"name": "python", "options": {"virtualenv": sys.prefix}}
        _write_yaml(self.project / "Pulumi.yaml", {**program, "runtime": runtime})
        # A copy: the program finds its project by where it lies itself.
        shutil.copytree(ROOT / "infra", self.project / "infra", dirs_exist_ok=True)
        state = self.folder / "state"
        state.mkdir(exist_ok=True)
        environment = {
            **os.environ,
            "PULUMI_BACKEND_URL": f"file://{state}",
            "PULUMI_CONFIG_PASSPHRASE": "e2e",
        }

        def pulumi(*arguments: str, stdin: str | None = None) -> str:
            command = ["pulumi", *arguments, "--stack", STACK, "--non-interactive"]
            return run_command(
                command, PULUMI_SECONDS, stdin=stdin, folder=self.project, environment=environment
            )

        self.tell("pulumi up")
        if not (state / ".pulumi").exists():
            pulumi("stack", "init")
        for name, value in {**self._all_values(), ABSENT: "removed below"}.items():
            pulumi("config", "set", "--secret", f"secrets.{name}", stdin=value)
        pulumi("up", "--yes", "--skip-preview")
        for space in self._spaces:  # the program refuses an endpoint whose secret has no value
            self._kubectl(
                "delete", "secret", f"secret-{ABSENT}", f"--namespace={space}", "--ignore-not-found"
            )
        tokens = json.loads(pulumi("stack", "output", "tokens", "--show-secrets", "--json"))
        self._note_access(tokens, self._queue_password())

    # ------------------------------------------------------------------ both

    def _note_access(self, tokens: Mapping[str, str], queue_password: str) -> None:
        self.access = Access(
            context=self.context,
            namespace=self.namespace,
            account=str(self._spec()["account"]),
            domain=str(self._stack()["config"]["moorage:domain"]),
            token=tokens["owner"],
            tokens=dict(tokens),
            queue_password=queue_password,
        )

    def _wait_until_available(self) -> None:
        end = time.monotonic() + AVAILABLE_SECONDS
        for component in COMPONENTS:
            self.tell(f"waiting for {component}")
            left = max(1.0, end - time.monotonic())
            try:
                self._kubectl(
                    "rollout",
                    "status",
                    component,
                    f"--namespace={self.namespace}",
                    f"--timeout={left:.0f}s",
                    seconds=left + 10,
                )
            except CommandError as error:
                raise CommandError(f"{error}\n{self._what_stands()}") from error

    def _what_stands(self) -> str:
        """Pods, last events and last log lines: what a person would ask for next."""
        space = f"--namespace={self.namespace}"
        parts = [
            ("get", "pods", space, "-o", "wide"),
            ("get", "events", space, "--sort-by=.lastTimestamp"),
            (
                "logs",
                space,
                "-l",
                "app.kubernetes.io/name=moorage",
                "--all-containers",
                "--tail=5",
                "--prefix",
            ),
        ]
        return "\n".join(self._last(*part) for part in parts)

    def _last(self, *arguments: str) -> str:
        try:
            return "\n".join(self._kubectl(*arguments).splitlines()[-25:])
        except CommandError as error:
            return str(error)

    def _kubectl(
        self,
        *arguments: str,
        stdin: str | None = None,
        environment: Mapping[str, str] | None = None,
        seconds: float = APPLY_SECONDS,
    ) -> str:
        whole = {**os.environ, **(environment or {})}
        return run_command(kubectl(self.context, *arguments), seconds, stdin=stdin, environment=whole)


def _files(out: Path, space: str) -> list[str]:
    """`-f` and each file of a namespace, as the reference has it."""
    return [word for path in sorted(out.glob(f"{space}--*.yaml")) for word in ("-f", str(path))]


def _without_unused(spec: dict[str, Any]) -> dict[str, Any]:
    """Less the logins and the tokens of endpoints that are not installed: each would be a fault."""
    names = {each["name"] for each in spec["endpoints"]}
    used = {each.get("registry") for each in spec["endpoints"]}
    registries = {name: login for name, login in spec["registries"].items() if name in used}
    tokens = {name: token for name, token in spec["tokens"].items() if names.issuperset(token["endpoints"])}
    return {**spec, "registries": registries, "tokens": tokens}


def _write_yaml(path: Path, value: object) -> None:
    path.write_text(yaml.safe_dump(value, sort_keys=False), encoding="utf-8")
