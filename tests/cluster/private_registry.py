"""A registry that asks for a password, in the control plane's network."""

import json
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

from cluster.commands import command
from cluster.processes import Program
from cluster.rooms import Room
from cluster.sites import Site
from cluster.topology import ADDRESS, REGISTRY
from cluster.waiting import until

NAME = "registry"
USER = "puller"
IMAGE = f"{REGISTRY}/private/model:1"
PORT = int(REGISTRY.rpartition(":")[2])
UNAUTHORIZED = 401
READY_SECONDS = 20.0
HASH_SECONDS = 10.0
CRYPT = "chomp(my $password = <STDIN>); print crypt($password, q($2y$05$) . shift)"
"""bcrypt, the one kind of hash that the registry reads, by the C library."""
SALT_LETTERS = 22


@dataclass(frozen=True, slots=True)
class Login:
    """Where the registry is, who may pull, and the image that is in it."""

    address: str
    user: str
    password: str
    image: str

    @property
    def credentials(self) -> str:
        """As `ctr` takes them."""
        return f"{self.user}:{self.password}"


async def start_registry(site: Site, room: Room) -> Login:
    """Start it with a new password; returns when it answers.

    Raises:
        ClusterError: it does not start.
    """
    login = Login(REGISTRY, USER, secrets.token_hex(12), IMAGE)
    folder = site.folder(NAME)
    passwords = folder / "htpasswd"
    passwords.write_text(f"{USER}:{await _hash(login.password)}\n")
    config = folder / "config.json"
    config.write_text(json.dumps(configuration(folder, passwords), indent=1))
    argv = (site.program("registry"), "serve", config)
    # The library that it logs with would send its traces somewhere by default.
    environment = {"OTEL_TRACES_EXPORTER": "none"}
    await site.processes.start(Program(NAME, argv, room.door, environment=environment))

    async def answers() -> bool:
        return await room.answers(PORT, "/v2/", status=UNAUTHORIZED, address=ADDRESS)

    await until("The registry answers", answers, READY_SECONDS, site.processes, (NAME,))
    return login


def configuration(folder: Path, passwords: Path) -> dict[str, object]:
    """The registry's configuration: JSON is YAML."""
    return {
        "version": "0.1",
        "log": {"level": "warn", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(folder / "blobs")}},
        "http": {"addr": REGISTRY, "secret": secrets.token_hex(16)},
        "auth": {"htpasswd": {"realm": NAME, "path": str(passwords)}},
    }


def write_login(login: Login, path: Path) -> Path:
    """Write it for the tests, for their owner's eyes."""
    path.touch(mode=0o600)
    path.write_text(json.dumps(asdict(login)))
    return path


async def _hash(password: str) -> str:
    salt = secrets.token_hex(SALT_LETTERS)[:SALT_LETTERS]
    return await command("perl", "-e", CRYPT, salt, seconds=HASH_SECONDS, stdin=password)
