"""What a worker is told by its environment."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

from runtime.objects.places import Place, parse_place


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
            KeyError: a variable is missing.
            BadPlaceError: `MOORAGE_OBJECTS` names no place.
        """
        return cls(
            queue_url=env["MOORAGE_QUEUE_URL"],
            endpoint=env["MOORAGE_ENDPOINT"],
            replica=env["MOORAGE_REPLICA"],
            revision=env["MOORAGE_REVISION"],
            model_address=_address(env["MOORAGE_MODEL_URL"]),
            health=env["MOORAGE_HEALTH"],
            probe_host=env.get("MOORAGE_PROBE_HOST", "127.0.0.1"),
            probe_port=int(env["MOORAGE_PROBE_PORT"]),
            request_seconds=float(env["MOORAGE_REQUEST_SECONDS"]),
            lease_seconds=float(env.get("MOORAGE_LEASE_SECONDS", "15")),
            objects=parse_place(env["MOORAGE_OBJECTS"]),
        )


def _address(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return parts.hostname or "127.0.0.1", parts.port or 80
