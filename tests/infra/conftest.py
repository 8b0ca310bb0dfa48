"""What the program registers for the golden projects and for the stacks of this repository."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from support.recordings import Case, record_once, write_project

from infra.plan.recording import Recording

EDITED = """account: acme
secrets:
  db: {}
  other: {}
endpoints:
  - name: first
    image: ghcr.io/acme/first:1
    hardware: a10g.1
    replicas: {max: 2}
    secrets: {DATABASE_URL: db}
  - name: second
    image: ghcr.io/acme/second:1
    hardware: a10g.1
    secrets: {DATABASE_URL: db}
  - name: third
    python: examples/sentiment
"""
STACK = """config:
  moorage:backend: kubernetes
  moorage:domain: models.example.com
  moorage:images: {registry: ghcr.io/acme}
  moorage:ingress: {hosts: each, public: {class_name: nginx, controller: nginx}}
  moorage:secrets.db: {secure: "v1:abc"}
  moorage:secrets.other: {secure: "v1:abc"}
"""
FIRST = "    image: ghcr.io/acme/first:1\n"
EDITS: Mapping[str, tuple[str, str]] = {
    "none": ("", ""),
    "env": (FIRST, f"{FIRST}    env: {{MODE: fast}}\n"),
    "image": ("first:1", "first:2"),
    "hardware": ("hardware: a10g.1\n    replicas: {max: 2}", "hardware: l4.1\n    replicas: {max: 2}"),
    "replicas": ("{max: 2}", "{max: 7}"),
    "limits": (FIRST, f"{FIRST}    limits: {{request_seconds: 60}}\n"),
    "secrets": ("{max: 2}\n    secrets: {DATABASE_URL: db}", "{max: 2}\n    secrets: {DATABASE_URL: other}"),
    "timeout": (FIRST, f"{FIRST}    timeout: 5\n"),
    "private": (FIRST, f"{FIRST}    ingress: private\n"),
    "removed": (EDITED[EDITED.index("  - name: first") : EDITED.index("  - name: second")], ""),
    "added": ("  - name: third\n", "  - name: fourth\n    image: a/b:1\n  - name: third\n"),
}
"""Edits of one endpoint: what is replaced by what."""


@pytest.fixture(scope="session")
def edited(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Recording]:
    """One project before (`none`) and after each edit."""
    cases = {}
    for name, (before, after) in EDITS.items():
        assert EDITED.count(before) >= 1
        folder = write_project(tmp_path_factory.mktemp(name), EDITED.replace(before, after, 1), STACK)
        cases[name] = Case(folder)
    return record_once(shared, "edited", cases)
