"""What `make up` tells of the cloud at its end."""

import io
from pathlib import Path

from rich.console import Console
from support.recordings import write_project

from infra.project import read_project
from infra.short_plan import show_short_plan

ROOT = Path(__file__).parent.parent.parent
ENDPOINTS = "account: acme\nendpoints:\n  - name: embed\n    image: acme/embed:1\n    hardware: a10g.1\n"


def shown(folder: Path) -> list[str]:
    """The lines that it prints."""
    written = io.StringIO()
    show_short_plan(folder, read_project(folder), Console(file=written, width=200))
    return written.getvalue().splitlines()


def test_each_place_has_its_cost_at_rest_and_at_most(tmp_path: Path) -> None:
    """The account's part counts where the stack makes one."""
    write_project(tmp_path, ENDPOINTS, "")
    for stack in ("local", "dev"):
        text = (ROOT / f"stacks/Pulumi.{stack}.yaml").read_text("utf-8")
        (tmp_path / f"stacks/Pulumi.{stack}.yaml").write_text(text, encoding="utf-8")

    cluster, _, account, how = shown(tmp_path)

    assert cluster.startswith(
        "On a cluster (stack local): 1 endpoint, up to 1 GPU, $0.00 an hour at rest, $1.01"
    )
    assert account.startswith("On AWS (stack dev): 1 endpoint, up to 1 GPU, $")
    assert "the platform itself included" in account
    assert "$0.00 an hour" not in account
    assert how == "  All of it: make plan STACK=dev"


def test_what_keeps_it_from_the_cloud_is_told(tmp_path: Path) -> None:
    """The first fault, with its place."""
    bare = "config:\n  moorage:backend: kubernetes\n  moorage:domain: models.example.com\n"
    endpoints = "account: acme\nendpoints:\n  - name: mine\n    python: examples/sentiment\n"
    write_project(tmp_path, endpoints, "")
    (tmp_path / "stacks/Pulumi.local.yaml").write_text(bare, encoding="utf-8")

    told, _ = shown(tmp_path)

    assert told.startswith("On a cluster (stack local) it would not run yet: endpoints.yaml:4")


def test_project_without_such_a_stack_is_told_nothing(tmp_path: Path) -> None:
    """It runs on this machine only."""
    assert shown(write_project(tmp_path, ENDPOINTS, "")) == []
