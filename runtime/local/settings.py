"""Settings of the local platform: the only reader of its environment."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, cast

from runtime.local.errors import SettingsError
from runtime.wire.places import Places

SECRET_PREFIX = "MOORAGE_SECRET_"  # noqa: S105 - the prefix of variables that hold secrets
Fsync = Literal["always", "everysec"]


@dataclass(frozen=True, slots=True)
class Settings:
    """How the platform runs on this machine."""

    root: Path
    """Folder of endpoints.yaml; relative folders and commands of endpoints start from it."""
    code: Path
    """Folder that holds the package `runtime`; the root, where the project is run from its own clone."""
    state: Path
    """`MOORAGE_STATE`, default `.moorage` below the root."""
    port: int
    """`MOORAGE_PORT`, default 8484: the gateway's, on 127.0.0.1."""
    slots: int
    """`MOORAGE_SLOTS`, default the CPUs this process may use: most replicas at one time."""
    appendfsync: Fsync
    """`MOORAGE_APPENDFSYNC`, default `everysec`; `always` outlives a power cut too."""
    queue_mib: int
    """`MOORAGE_QUEUE_MIB`, default 512: most memory of the queue; past it requests get 503."""
    down_seconds: float
    """`MOORAGE_DOWN_SECONDS`, default 10: how long `down` lets running requests finish."""
    lease_seconds: int
    """`MOORAGE_LEASE_SECONDS`, default 15: how long a request stays a silent worker's."""
    environ: Mapping[str, str] = field(repr=False)
    """The whole environment, for secrets and for the few variables that child processes get."""

    @property
    def places(self) -> Places:
        """Paths below the state folder."""
        return Places(self.state)

    @property
    def url(self) -> str:
        """The gateway's address."""
        return f"http://127.0.0.1:{self.port}"


def read_settings(environ: Mapping[str, str], root: Path) -> Settings:
    """The settings of an environment, for the project in a folder.

    Raises:
        SettingsError: a variable holds what it cannot.
    """
    root = root.resolve()
    return Settings(
        root=root,
        code=Path(__file__).resolve().parents[2],
        state=(root / environ.get("MOORAGE_STATE", ".moorage")).resolve(),
        port=_whole(environ, "MOORAGE_PORT", 8484, 1, 65535),
        slots=_whole(environ, "MOORAGE_SLOTS", len(os.sched_getaffinity(0)), 1, 4096),
        appendfsync=_fsync(environ),
        queue_mib=_whole(environ, "MOORAGE_QUEUE_MIB", 512, 16, 1 << 20),
        down_seconds=_whole(environ, "MOORAGE_DOWN_SECONDS", 10, 0, 86400),
        lease_seconds=_whole(environ, "MOORAGE_LEASE_SECONDS", 15, 1, 15),
        environ=dict(environ),
    )


def _whole(environ: Mapping[str, str], name: str, default: int, low: int, high: int) -> int:
    text = environ.get(name, "").strip()
    if not text:
        return default
    if not text.isascii() or not text.isdigit() or not low <= int(text) <= high:
        raise SettingsError(f"{name}: {text!r} is not a whole number from {low} to {high}.")
    return int(text)


def _fsync(environ: Mapping[str, str]) -> Fsync:
    text = environ.get("MOORAGE_APPENDFSYNC", "everysec")
    if text not in ("always", "everysec"):
        raise SettingsError(f"MOORAGE_APPENDFSYNC: {text!r} is neither `always` nor `everysec`.")
    return cast("Fsync", text)
