"""The programs of the tests' cluster: from which Go modules they come, and when they must be built anew."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

SOURCES = Path(__file__).parent
"""Holds a folder for each module: go.mod, go.sum and maybe its own code."""
KEY_DIGITS = 12
OWN = "."
"""The package of a module that has a main.go of its own."""
_KUBERNETES_VERSION = "k8s.io/component-base/version"


class VersionNotFoundError(ValueError):
    """A go.mod does not require what its programs are stamped with."""


@dataclass(frozen=True, slots=True)
class Copied:
    """A folder of a required module that is kept beside the programs, as `name`: the module's manifests."""

    module: str
    folder: str
    name: str


@dataclass(frozen=True, slots=True)
class GoModule:
    """One folder with a go.mod, and what comes out of it."""

    name: str
    programs: Mapping[str, str]
    """Name of the file to the Go package it is built from."""
    expected_seconds: int
    """How long a build with empty caches takes on two cores, downloads included."""
    limit_seconds: float
    stamped: str | None = None
    """The required Go module whose version the programs tell as their own; {version}, {major} and {minor} of it
    stand in `stamps`."""
    stamps: tuple[str, ...] = ()
    """Variables of the linker: `package.name=value`."""
    copied: tuple[Copied, ...] = ()

    @property
    def recipe(self) -> str:
        """Everything but the sources that makes a build different."""
        return repr((sorted(self.programs.items()), self.stamped, self.stamps, self.copied))


MODULES = (
    GoModule("etcd", {"etcd": "go.etcd.io/etcd/server/v3"}, expected_seconds=60, limit_seconds=600),
    GoModule(
        "kubernetes",
        {
            name: f"k8s.io/kubernetes/cmd/{name}"
            for name in (
                "kube-apiserver",
                "kube-controller-manager",
                "kube-proxy",
                "kube-scheduler",
                "kubectl",
                "kubelet",
            )
        },
        expected_seconds=400,
        limit_seconds=1800,
        stamped="k8s.io/kubernetes",
        # Without them kubectl refuses to read the server's version.
        stamps=(
            f"{_KUBERNETES_VERSION}.gitVersion={{version}}",
            f"{_KUBERNETES_VERSION}.gitMajor={{major}}",
            f"{_KUBERNETES_VERSION}.gitMinor={{minor}}",
            f"{_KUBERNETES_VERSION}.gitTreeState=clean",
            "k8s.io/client-go/pkg/version.gitVersion={version}",
        ),
    ),
    GoModule("coredns", {"coredns": OWN}, expected_seconds=120, limit_seconds=900),
    GoModule("registry", {"registry": OWN}, expected_seconds=60, limit_seconds=600),
    GoModule(
        "kwok",
        {"kwok": "sigs.k8s.io/kwok/cmd/kwok"},
        expected_seconds=120,
        limit_seconds=900,
        copied=(Copied("sigs.k8s.io/kwok", "kustomize/stage", "stage"),),
    ),
    GoModule("device_plugin", {"device_plugin": OWN}, expected_seconds=20, limit_seconds=300),
    GoModule("pause", {"pause": OWN}, expected_seconds=10, limit_seconds=300),
    GoModule("model", {"model": OWN}, expected_seconds=10, limit_seconds=300),
    GoModule(
        "keda",
        {
            "keda": "github.com/kedacore/keda/v2/cmd/operator",
            "keda-adapter": "github.com/kedacore/keda/v2/cmd/adapter",
            "keda-admission-webhooks": "github.com/kedacore/keda/v2/cmd/webhooks",
        },
        expected_seconds=600,
        limit_seconds=1800,
        stamped="github.com/kedacore/keda/v2",
        stamps=("github.com/kedacore/keda/v2/version.Version={version}",),
        copied=(Copied("github.com/kedacore/keda/v2", "config", "config"),),
    ),
)
"""In the order in which they are built: what a cluster needs first comes first."""


def source_key(folder: Path, module: GoModule, compiler: str) -> str:
    """Changes with everything that a build of the module depends on.

    Args:
        folder: where the module's go.mod lies.
        module: what is built of it.
        compiler: version and target of the Go compiler.
    """
    digest = hashlib.sha256()
    for text in (module.recipe, compiler):
        digest.update(f"{text}\0".encode())
    for path in _sources(folder):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(folder).as_posix()}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:KEY_DIGITS]


def _sources(folder: Path) -> list[Path]:
    own = [path for path in folder.rglob("*.go") if not path.name.endswith("_test.go")]
    return sorted([*own, *(path for name in ("go.mod", "go.sum") if (path := folder / name).is_file())])


def linker_flags(module: GoModule, go_mod: str) -> str:
    """Stripped, and with the version that go.mod requires.

    Raises:
        VersionNotFoundError: it requires none of what the programs are stamped with.
    """
    if module.stamped is None:
        return "-s -w"
    version = required_version(go_mod, module.stamped)
    major, minor, *_ = version.removeprefix("v").split(".")
    variables = (stamp.format(version=version, major=major, minor=minor) for stamp in module.stamps)
    return " ".join(("-s -w", *(f"-X {variable}" for variable in variables)))


def required_version(go_mod: str, path: str) -> str:
    """The version of a module that a go.mod requires, as `v1.2.3`.

    Raises:
        VersionNotFoundError: it does not require that module.
    """
    found = re.search(rf"^(?:require)?\s*{re.escape(path)} (v\S+)", go_mod, re.MULTILINE)
    if found is None:
        raise VersionNotFoundError(f"go.mod requires no {path}. Add it: go get {path}@VERSION")
    return found[1]


def name_by_go(package: str) -> str:
    """What `go build` calls the program of a package: the last part of its path that is no version."""
    *_, before, last = ("", *package.split("/"))
    return before if re.fullmatch(r"v\d+", last) else last
