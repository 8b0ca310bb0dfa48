"""A real PostgreSQL for tests: a fresh cluster on a free port, with a password, ended by its pid."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

import psycopg
from support.ports import free_port

from runtime.usage.places import SqlPlace, parse_sql_place

PATIENCE_SECONDS = 60.0
"""Longest making, longest start and longest end."""
USER = "moorage"
_UNPRIVILEGED = "nobody"


def find_programs() -> Path | None:
    """The folder of PostgreSQL's programs: Debian's newest, else on PATH; None where there are none."""
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    found = installed[-1] if installed else shutil.which("initdb")
    return Path(found).parent if found else None


class PostgresServer:
    """One server on 127.0.0.1 that forgets nothing as long as it is a context.

    It refuses to be root, so a root's runs as `nobody`.
    """

    def __init__(self, programs: Path) -> None:
        self.port = free_port()
        self.password = "first-password"
        self._programs = programs
        self._process: subprocess.Popen[bytes] | None = None
        self._folder = Path(tempfile.mkdtemp(prefix="postgres-"))
        self._user = _UNPRIVILEGED if os.geteuid() == 0 else None
        if self._user is not None:
            shutil.chown(self._folder, self._user)

    @property
    def url(self) -> str:
        """What `MOORAGE_SQL` takes."""
        return f"postgresql://{USER}@127.0.0.1:{self.port}/postgres?sslmode=disable"

    def change_password(self, new: str) -> None:
        """As RDS does; connections that are open stay."""
        self.run(f"ALTER USER {USER} PASSWORD '{new}'")
        self.password = new

    def run(self, statement: str) -> None:
        """Run a statement, outside of any transaction."""
        with self._connect() as connection:
            connection.execute(statement.encode())

    def start(self) -> None:
        """Start the process and wait until it serves.

        Raises:
            RuntimeError: it does not in time; the message holds its last lines.
        """
        data = self._folder / "data"
        argv = (
            "postgres",
            "-D",
            data,
            "-p",
            self.port,
            "-k",
            self._folder,
            "-c",
            "listen_addresses=127.0.0.1",
        )
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self._command(argv), cwd=self._folder, user=self._user, stdout=log, stderr=log
            )
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not self._serves():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"postgres does not serve:\n{(self._folder / 'log').read_text()[-2000:]}")
            time.sleep(0.05)

    def kill(self) -> None:
        """SIGQUIT, its way of ending without finishing anything."""
        if self._process is not None:
            self._process.send_signal(3)
            self._process.wait(PATIENCE_SECONDS)
            self._process = None

    def __enter__(self) -> Self:
        try:
            self._make()
            self.start()
        except (OSError, RuntimeError, subprocess.SubprocessError):
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        shutil.rmtree(self._folder)

    def _make(self) -> None:
        password = self._folder / "password"
        password.write_text(self.password)
        password.chmod(0o644)
        options = ("-U", USER, "-A", "scram-sha-256", f"--pwfile={password}", "--no-sync", "-E", "UTF8")
        argv = self._command(("initdb", "-D", self._folder / "data", *options))
        subprocess.run(
            argv, cwd=self._folder, user=self._user, check=True, timeout=PATIENCE_SECONDS, capture_output=True
        )

    def _command(self, argv: Sequence[str | int | Path]) -> Sequence[str]:
        return [str(self._programs / str(argv[0])), *map(str, argv[1:])]

    def _serves(self) -> bool:
        with suppress(psycopg.OperationalError), self._connect():
            return True
        return False

    def _connect(self) -> "psycopg.Connection[tuple[object, ...]]":
        return psycopg.connect(
            host="127.0.0.1",
            port=self.port,
            user=USER,
            password=self.password,
            dbname="postgres",
            autocommit=True,
        )


def make_database(server: PostgresServer, folder: Path, database: str) -> SqlPlace:
    """A new database of a server, with its password in a file."""
    password = folder / "password"
    password.write_text(f"{server.password}\n")
    server.run(f"CREATE DATABASE {database}")
    return parse_sql_place(server.url.replace("/postgres?", f"/{database}?"), password)
