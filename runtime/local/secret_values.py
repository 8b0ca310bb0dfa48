"""Values of secrets on this machine: a file of the user's, or the environment of `make up`."""

import stat
from collections.abc import Mapping
from pathlib import Path

import yaml

from runtime.local.errors import SecretError
from runtime.local.settings import SECRET_PREFIX


def variable_of(name: str) -> str:
    """The environment variable that may hold a secret: `db-url` is in `MOORAGE_SECRET_DB_URL`."""
    return SECRET_PREFIX + name.upper().replace("-", "_")


class SecretValues:
    """Looks values up when they are needed, so that an edit of the file holds for the next start."""

    def __init__(self, path: Path, environ: Mapping[str, str]) -> None:
        self._path = path
        self._environ = environ
        self._stamp: tuple[int, int, int] | None = None
        self._values: dict[str, str] = {}

    def get(self, name: str) -> str:
        """The value of one secret.

        Raises:
            SecretError: it has none, or the file is open to others or no mapping of names to texts.
        """
        value = self._environ.get(variable_of(name))
        if value is None:
            value = self._read().get(name)
        if value is None:
            raise SecretError(
                f"secret {name} is missing: add `{name}: <value>` to {self._shown} (mode 0600), "
                f"or set {variable_of(name)} and say `make up` again."
            )
        return value

    def fill(self, wanted: Mapping[str, str]) -> dict[str, str]:
        """Environment variables with their values, of variables with the names of secrets.

        Raises:
            SecretError: one of them has no value.
        """
        return {variable: self.get(name) for variable, name in wanted.items()}

    @property
    def _shown(self) -> str:
        return f"{self._path.parent.name}/{self._path.name}"

    def _read(self) -> dict[str, str]:
        """The file's values, parsed again only when it changed: the scaler asks every second."""
        try:
            state = self._path.stat()
            mode = stat.S_IMODE(state.st_mode)
            if mode & 0o077:
                raise SecretError(
                    f"{self._shown} has mode {mode:04o}, so others may read it. Say `chmod 600 {self._shown}`."
                )
            stamp = (state.st_ino, state.st_mtime_ns, state.st_size)
            if stamp != self._stamp:
                self._values, self._stamp = self._checked(yaml.safe_load(self._path.read_text())), stamp
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, yaml.YAMLError) as exc:  # never the error's text: it quotes the file
            raise SecretError(f"{self._shown} cannot be read as YAML ({type(exc).__name__}).") from None
        return self._values

    def _checked(self, values: object) -> dict[str, str]:
        values = {} if values is None else values
        if not isinstance(values, dict) or not all(isinstance(item, str) for item in values.values()):
            raise SecretError(f'{self._shown} must map names of secrets to texts, as in `db-url: "…"`.')
        return {str(name): value for name, value in values.items()}


def redacted(text: str, values: Mapping[str, str]) -> str:
    """A text with every secret value of four characters or more blotted out."""
    for value in sorted(values.values(), key=len, reverse=True):
        if len(value) >= SHORTEST_BLOTTED:
            text = text.replace(value, "***")
    return text


SHORTEST_BLOTTED = 4
"""Shorter values would blot out ordinary words and give nothing away that a guess would not."""
