"""What every part of a cluster needs: its folder, its programs, its keys and its processes."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from cluster.certificates import Keys
from cluster.errors import ClusterError
from cluster.kubectl import Kubectl
from cluster.network import inside
from cluster.processes import Processes
from cluster.topology import NETWORK

SAVED = "site.json"
UP = "up"


@dataclass(frozen=True)
class Site:
    """One cluster on this machine."""

    run: Path
    modules: Mapping[str, Path]
    """Folder of each module's programs."""
    pause: str
    """The image that holds each pod's namespaces."""

    @classmethod
    def load(cls, run: Path) -> "Site":
        """The cluster that is up, as it was saved.

        Raises:
            ClusterError: none is up.
        """
        if not (run / UP).exists():
            raise ClusterError("No cluster is up. Start one: python -m cluster up")
        saved = json.loads((run / SAVED).read_text())
        modules = {name: Path(folder) for name, folder in saved["modules"].items()}
        return cls(run, modules, saved["pause"])

    def save(self) -> None:
        """Make the run folder, for the eyes of its owner, and keep there what later commands need."""
        self.run.mkdir(mode=0o700, parents=True)
        modules = {name: str(folder) for name, folder in self.modules.items()}
        (self.run / SAVED).write_text(json.dumps({"modules": modules, "pause": self.pause}))

    def mark_up(self, told: Mapping[str, str], images: Collection[str]) -> None:
        """It is up, and commands may count on it: its nodes have these images, of which tests are told some."""
        self.images.write_text(json.dumps(told))
        (self.run / UP).write_text(json.dumps(sorted(images)))

    def known_images(self) -> set[str]:
        """Names of the images that its nodes have."""
        return set(json.loads((self.run / UP).read_text()))

    def is_like(self, other: "Site") -> bool:
        """Whether both are of the same programs."""
        return (self.modules, self.pause) == (other.modules, other.pause)

    @property
    def keys(self) -> Keys:
        """Its keys and certificates."""
        return Keys(self.run / "keys")

    @cached_property
    def processes(self) -> Processes:
        """Its daemons."""
        return Processes(self.run)

    @property
    def kubeconfig(self) -> Path:
        """Of its administrator."""
        return self.kubeconfig_of("admin")

    @property
    def kubectl(self) -> Kubectl:
        """Its administrator's command line."""
        argv = (*inside(NETWORK), str(self.program("kubernetes", "kubectl")))
        return Kubectl(argv, self.kubeconfig, self.kubectl_cache)

    @property
    def kubectl_cache(self) -> Path:
        """What kubectl remembers of this cluster's API."""
        return self.run / "kubectl-cache"

    @property
    def stores(self) -> Path:
        """Images as nodes keep them, beside the run folder: files are linked from there."""
        return self.run.parent / "stores"

    @property
    def images(self) -> Path:
        """File that tells the tests the images' names."""
        return self.run / "images.json"

    @property
    def login(self) -> Path:
        """File that tells the tests where the registry is and how to log in."""
        return self.run / "registry.json"

    def kubeconfig_of(self, name: str) -> Path:
        """Of one of the identities that have a certificate."""
        return self.run / "kubeconfigs" / name

    def program(self, module: str, name: str = "") -> Path:
        """A program; without a name the one that is called like its module."""
        return self.modules[module] / (name or module)

    def folder(self, *parts: str) -> Path:
        """A folder below the run folder, made if it is not there."""
        folder = self.run.joinpath(*parts)
        folder.mkdir(parents=True, exist_ok=True)
        return folder
