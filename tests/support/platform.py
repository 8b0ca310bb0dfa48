"""A whole platform of its own in a temporary folder, started and stopped as a user does."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from support.ports import free_port

UP_SECONDS = 60.0
DOWN_SECONDS = 30.0
MODEL = Path(__file__).with_name("model_stub.py")


@dataclass
class Platform:
    """A project folder with its endpoints.yaml, and the platform that serves it."""

    root: Path
    port: int
    slots: int = 4
    access: str = "public"
    env: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """The gateway's address."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def state(self) -> Path:
        """Where the platform keeps its state."""
        return self.root / ".moorage"

    @property
    def auth(self) -> dict[str, str]:
        """Headers with the owner's token."""
        return {"Authorization": f"Bearer {(self.state / 'token').read_text().strip()}"}

    def write(self, endpoints: str) -> None:
        """Write endpoints.yaml."""
        (self.root / "endpoints.yaml").write_text(f"account: test\n{endpoints}")

    def up(self) -> str:
        """What `make up` does in this folder; what it printed."""
        self.run("infra.local")
        return self.run("runtime.local", "up")

    def down(self) -> str:
        """What `make down` does; what it printed."""
        return self.run("runtime.local", "down", seconds=DOWN_SECONDS)

    def run(self, module: str, *arguments: str, seconds: float = UP_SECONDS) -> str:
        """Run one of the project's commands in the folder."""
        env = {
            **os.environ,
            "MOORAGE_PORT": str(self.port),
            "MOORAGE_SLOTS": str(self.slots),
            "MOORAGE_DOWN_SECONDS": "2",
            **self.env,
        }
        env.pop("MOORAGE_STATE", None)
        done = subprocess.run(
            [sys.executable, "-m", module, *arguments],
            cwd=self.root,
            env=env,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        assert done.returncode == 0, (
            f"{module} {arguments}: {done.stdout}{done.stderr}{self.log('supervisor')}"
        )
        return done.stdout

    def log(self, name: str) -> str:
        """The end of one of the platform's logs."""
        path = self.state / "logs" / f"{name}.log"
        return path.read_text()[-3000:] if path.exists() else ""

    def endpoint(self, name: str) -> dict[str, Any]:
        """What GET /v1/endpoints/NAME answers."""
        answer = httpx.get(f"{self.url}/v1/endpoints/{name}", headers=self.auth, timeout=5)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def pids(self) -> set[int]:
        """Every process whose environment or command line names this platform's state folder."""
        return {pid for pid in _all_pids() if str(self.state).encode() in _traces(pid)}

    def replica_pids(self, replica: str) -> dict[str, int]:
        """The processes `worker` and `model` of a replica."""
        for path in (self.state / "run").rglob("*.json"):
            note = json.loads(path.read_text())
            if note.get("id") == replica:
                return {role: int(note[role]["pid"]) for role in ("worker", "model") if note.get(role)}
        raise AssertionError(f"no note of replica {replica}")

    def service_pid(self, name: str) -> int:
        """The process of `supervisor`, `gateway` or `valkey`."""
        note = json.loads((self.state / "run" / f"{name}.json").read_text())
        return int(note["process"]["pid"])


Starter = Callable[..., Platform]
"""What the fixture `start_platform` gives: endpoints in, a platform out."""


@contextmanager
def running_platform(root: Path, endpoints: str, **options: Any) -> Iterator[Platform]:
    """A platform that is up for the block, and gone after it to the last process."""
    platform = Platform(root, free_port(), **options)
    platform.write(endpoints)
    try:
        platform.up()
        yield platform
    finally:
        platform.down()
        until(lambda: not platform.pids(), 10)


def stub(
    name: str,
    journal: Path,
    *,
    sleep: float = 0.0,
    replicas: str = "{min: 0, max: 1}",
    timeout: int = 60,
    more: str = "",
) -> str:
    """The YAML of endpoints with one whose model is the stub; `more` are further lines of the endpoint."""
    command = f"{sys.executable} {MODEL} --port {{port}} --journal {journal} --sleep {sleep}"
    return (
        f"endpoints:\n  - name: {name}\n    access: public\n    replicas: {replicas}\n    timeout: {timeout}\n"
        f"    local: {{command: '{command}'}}\n{more}"
    )


def until(holds: Callable[[], object], seconds: float = 15.0) -> None:
    """Wait until something holds; fail when it does not in time."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.05)


def _all_pids() -> list[int]:
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]


def _traces(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes() + Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""
