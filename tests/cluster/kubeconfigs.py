"""Kubeconfig files: who one is to the API server, certificates inside, so that a file can be copied."""

import base64
import json
from pathlib import Path
from typing import Any

from cluster.certificates import Keys
from cluster.topology import API_URL, MARK


def kubeconfig(keys: Keys, name: str) -> dict[str, Any]:
    """The content of the file for one of the certificates."""
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": MARK,
        "contexts": [{"name": MARK, "context": {"cluster": MARK, "user": name}}],
        "clusters": [
            {
                "name": MARK,
                "cluster": {"server": API_URL, "certificate-authority-data": _base64(keys.certificate("ca"))},
            }
        ],
        "users": [
            {
                "name": name,
                "user": {
                    "client-certificate-data": _base64(keys.certificate(name)),
                    "client-key-data": _base64(keys.key(name)),
                },
            }
        ],
    }


def write_kubeconfig(keys: Keys, name: str, path: Path) -> Path:
    """Write it for its owner's eyes: JSON, which is YAML too."""
    path.touch(mode=0o600)
    path.write_text(json.dumps(kubeconfig(keys, name), indent=1))
    return path


def _base64(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()
