"""What a worker is told by its environment."""

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from runtime.objects.places import Place
from runtime.parsing import SettingsError, read_place, read_port, read_queue_url

REQUIRED = (
    "MOORAGE_QUEUE_URL",
    "MOORAGE_ENDPOINT",
    "MOORAGE_REPLICA",
    "MOORAGE_REVISION",
    "MOORAGE_MODEL_URL",
    "MOORAGE_HEALTH",
    "MOORAGE_PROBE_PORT",
    "MOORAGE_REQUEST_SECONDS",
    "MOORAGE_OBJECTS",
)


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """One replica's worker; the names in the environment are these in capitals behind `MOORAGE_`."""

    queue_url: str
    endpoint: str
    replica: str
    revision: str
    model_address: tuple[str, int]
    """Host and port of the model; given as `MOORAGE_MODEL_URL`, such as `http://127.0.0.1:8080`."""
    health: str
    """Path that answers 200 when the model can serve."""
    probe_host: str
    """Address on which probes are answered: in a pod kubelet asks the pod's own, locally loopback does."""
    probe_port: int
    """Port on which the worker answers for the model's health."""
    request_seconds: float
    """Longest run of one request, in seconds."""
    lease_seconds: float
    """How long a request stays this worker's without a sign of life, in seconds."""
    objects: Place
    """Where large bodies and answers are: a folder, `valkey`, or `s3://bucket/prefix?endpoint=…&region=…`."""

    @classmethod
    def from_environment(cls, env: Mapping[str, str] = os.environ) -> Self:
        """The settings of this process.

        Raises:
            SettingsError: one is missing or wrong.
        """
        _require(env)
        return cls(
            queue_url=read_queue_url(env),
            endpoint=env["MOORAGE_ENDPOINT"],
            replica=env["MOORAGE_REPLICA"],
            revision=env["MOORAGE_REVISION"],
            model_address=_address(env["MOORAGE_MODEL_URL"]),
            health=env["MOORAGE_HEALTH"],
            probe_host=env.get("MOORAGE_PROBE_HOST", "127.0.0.1"),
            probe_port=read_port(env, "MOORAGE_PROBE_PORT", 0),
            request_seconds=_seconds(env, "MOORAGE_REQUEST_SECONDS", 900),
            lease_seconds=_seconds(env, "MOORAGE_LEASE_SECONDS", 15),
            objects=read_place(env, "MOORAGE_OBJECTS", Path()),
        )


def _require(env: Mapping[str, str]) -> None:
    """The pod's manifest or the supervisor gives all of these; nobody types them."""
    missing = [name for name in REQUIRED if not env.get(name)]
    if missing:
        raise SettingsError(f"{missing[0]} is not set. A worker also needs: {', '.join(REQUIRED)}")


def _seconds(env: Mapping[str, str], name: str, default: float) -> float:
    text = env.get(name, str(default))
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise SettingsError(f"{name}: {text!r} is no number of seconds. Give one such as {default}")
    return seconds


def _address(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return parts.hostname or "127.0.0.1", parts.port or 80
