"""Volumes of the cluster: folders of the machine that both nodes see, as a network disk would be."""

import json
from typing import Any

from cluster.kubectl import MANIFESTS
from cluster.sites import Site
from cluster.topology import NODES

CLASS = "standard"
VOLUMES = 12
SIZE = "10Gi"


async def add_storage(site: Site) -> None:
    """The default class and its volumes.

    Raises:
        ClusterError: the API server refuses.
    """
    folders = [site.folder("volumes", f"disk-{number}") for number in range(1, VOLUMES + 1)]
    volumes = [volume(folder.name, str(folder)) for folder in folders]
    await site.kubectl.apply(MANIFESTS / "storage.yaml")
    await site.kubectl.apply(json.dumps({"apiVersion": "v1", "kind": "List", "items": volumes}))


def volume(name: str, path: str) -> dict[str, Any]:
    """A PersistentVolume that may be claimed on any real node.

    `local` and not `hostPath`, of which the kubelet leaves the group as it is, so that no pod but root's could write.
    """
    nodes = {"key": "kubernetes.io/hostname", "operator": "In", "values": [node.name for node in NODES]}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name},
        "spec": {
            "capacity": {"storage": SIZE},
            "accessModes": ["ReadWriteOnce", "ReadWriteMany"],
            "persistentVolumeReclaimPolicy": "Retain",
            "storageClassName": CLASS,
            "local": {"path": path},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [nodes]}]}},
        },
    }
