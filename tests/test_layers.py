"""Who may import what: the layers of the architecture, read from the import statements."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
IMPURE = {
    "pulumi",
    "socket",
    "ssl",
    "http",
    "urllib",
    "aiohttp",
    "httpx",
    "redis",
    "time",
    "os",
    "random",
    "secrets",
}
FORBIDDEN = {
    "infra.spec": IMPURE | {"infra.plan", "runtime", "components"},
    "infra.plan": IMPURE
    | {"components", "runtime.gateway", "runtime.worker", "runtime.queue", "runtime.local"},
    "infra": {"runtime.gateway", "runtime.worker", "runtime.queue", "runtime.local", "runtime.policy"},
    "components": {
        "infra.spec",
        "infra.record",
        "infra.cluster",
        "infra.settings",
        "infra.project",
        "runtime",
    },
    "policy": {"components", "runtime"},
    "policy.rules": IMPURE | {"infra", "pulumi_policy", "components", "runtime"},
    "policy.seen": IMPURE | {"infra.record", "infra.spec", "pulumi_policy"},
    # The Kubernetes client of the program costs a start seconds: docs/adr/0008.
    "runtime": {"pulumi", "infra", "components", "stacks", "kubernetes_asyncio"},
    "runtime.wire": {"runtime.queue", "runtime.gateway", "runtime.worker", "runtime.local", "runtime.policy"},
    "runtime.queue": {"runtime.gateway", "runtime.worker", "runtime.local", "runtime.policy"},
    "runtime.policy": IMPURE | {"runtime.gateway", "runtime.worker", "runtime.local"},
    "runtime.gateway": {"runtime.worker", "runtime.local", "runtime.api", "runtime.scaler"},
    "runtime.usage": {
        "runtime.gateway",
        "runtime.worker",
        "runtime.local",
        "runtime.api",
        "runtime.scaler",
        "runtime.cluster",
    },
    "runtime.worker": {"runtime.gateway", "runtime.local", "runtime.api", "runtime.scaler"},
    "runtime.cluster": {
        "runtime.gateway",
        "runtime.worker",
        "runtime.local",
        "runtime.scaler",
        "runtime.api",
    },
    "runtime.scaler": {"runtime.gateway", "runtime.worker", "runtime.local", "runtime.api"},
    "runtime.replica": {
        "runtime.wire",
        "runtime.queue",
        "runtime.gateway",
        "runtime.worker",
        "runtime.local",
    },
}
"""Package to what no module of it may import (a name forbids everything below it)."""


def imported_names(source: str) -> Iterator[str]:
    """Every dotted name that a module imports."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def is_within(name: str, package: str) -> bool:
    """Whether a dotted name is the package or lies below it."""
    return name == package or name.startswith(f"{package}.")


def modules_of(package: str) -> list[Path]:
    """Source files of a package or a module."""
    place = ROOT / package.replace(".", "/")
    return sorted(place.rglob("*.py")) if place.is_dir() else [place.with_suffix(".py")]


@pytest.mark.parametrize("package", sorted(FORBIDDEN))
def test_package_imports_only_layers_below_it(package: str) -> None:
    """A breach names the file and what it imports."""
    breaches = {
        f"{module.relative_to(ROOT)}: {name}"
        for module in modules_of(package)
        if module.exists()
        for name in imported_names(module.read_text())
        for forbidden in FORBIDDEN[package]
        if is_within(name, forbidden)
    }

    assert sorted(breaches) == []


def test_no_module_holds_the_name_of_a_dumping_ground() -> None:
    """Modules are named for what they give."""
    refused = {"utils", "helpers", "common", "manager", "core", "data", "process"}

    found = [
        path
        for layer in ("infra", "runtime")
        for path in (ROOT / layer).rglob("*.py")
        if path.stem in refused
    ]

    assert found == []
