"""Where the tests' own cluster keeps what it builds and what it runs."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

CACHE_SETTING = "MOORAGE_E2E_CACHE"


@dataclass(frozen=True, slots=True)
class Places:
    """Folders outside the repository; whoever writes there makes them."""

    cache: Path

    @property
    def bin(self) -> Path:
        """Programs, a folder for each module and state of its sources: `etcd-0123456789ab/etcd`."""
        return self.cache / "bin"

    @property
    def images(self) -> Path:
        """Images as archives: `runtime-0123456789ab.tar`."""
        return self.cache / "images"

    @property
    def run(self) -> Path:
        """State of a running cluster: process ids, logs, keys, kubeconfig."""
        return self.cache / "run"


def find_places(environment: Mapping[str, str] = os.environ) -> Places:
    """The folders, by `MOORAGE_E2E_CACHE` or the user's cache folder.

    The address is absolute: programs are started from other folders.
    """
    if given := environment.get(CACHE_SETTING):
        return Places(Path(given).absolute())
    caches = environment.get("XDG_CACHE_HOME") or Path(environment.get("HOME", "/root"), ".cache")
    return Places(Path(caches).absolute() / "moorage" / "e2e")
