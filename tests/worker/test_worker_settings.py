"""The worker's environment."""

from pathlib import Path

from runtime.objects.places import FolderPlace, ValkeyPlace
from runtime.worker.settings import WorkerSettings

GIVEN = {
    "MOORAGE_QUEUE_URL": "valkey://127.0.0.1:7000",
    "MOORAGE_ENDPOINT": "embed",
    "MOORAGE_REPLICA": "embed-1",
    "MOORAGE_REVISION": "v1",
    "MOORAGE_MODEL_URL": "http://127.0.0.1:8080",
    "MOORAGE_HEALTH": "/healthcheck",
    "MOORAGE_PROBE_PORT": "18480",
    "MOORAGE_REQUEST_SECONDS": "60",
    "MOORAGE_OBJECTS": "/var/moorage/objects",
}


def test_probes_are_answered_on_loopback_unless_told() -> None:
    """On one machine nobody else may ask."""
    assert WorkerSettings.from_environment(GIVEN).probe_host == "127.0.0.1"
    assert WorkerSettings.from_environment(GIVEN | {"MOORAGE_PROBE_HOST": "0.0.0.0"}).probe_host == "0.0.0.0"


def test_objects_are_in_a_folder_or_elsewhere() -> None:
    """The plan says where; locally it is a folder."""
    local = WorkerSettings.from_environment(GIVEN)
    cluster = WorkerSettings.from_environment(GIVEN | {"MOORAGE_OBJECTS": "valkey"})

    assert local.objects == FolderPlace(Path("/var/moorage/objects"))
    assert cluster.objects == ValkeyPlace()
