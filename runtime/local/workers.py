"""How a replica's worker is started: the same sidecar as in a cluster, told by its environment."""

import sys
from pathlib import Path

from runtime.local.notes import ReplicaNote
from runtime.local.processes import Command, base_environment, mark_of
from runtime.local.settings import Settings


def worker_command(note: ReplicaNote, settings: Settings, queue_url: str, log: Path) -> Command:
    """The command of a replica's worker. Its environment changes only with what it must know."""
    record = note.record
    env = {
        **base_environment(settings.environ),
        "PYTHONPATH": str(settings.code),
        "PYTHONUNBUFFERED": "1",
        "MOORAGE_QUEUE_URL": queue_url,
        "MOORAGE_ENDPOINT": record.name,
        "MOORAGE_REPLICA": note.id,
        "MOORAGE_REVISION": record.revision,
        "MOORAGE_MODEL_URL": f"http://127.0.0.1:{note.port}",
        "MOORAGE_HEALTH": record.health,
        "MOORAGE_PROBE_PORT": str(note.probe_port),
        "MOORAGE_REQUEST_SECONDS": str(record.limits.request_seconds),
        "MOORAGE_LEASE_SECONDS": str(settings.lease_seconds),
        "MOORAGE_OBJECTS": str(settings.places.objects),
    }
    argv = (sys.executable, "-m", "runtime.worker")
    return Command(argv, env, settings.root, log, mark_of(settings.state, f"{note.id}.worker"))
