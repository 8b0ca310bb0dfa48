"""Why am I waiting? The true cause, at the endpoint that has it, and at no other."""

from pathlib import Path

import httpx
import pytest
from support.platform import Platform, Starter, stub, until

pytestmark = pytest.mark.timeout(90)


def submit(platform: Platform, endpoint: str) -> None:
    """Ask for a replica without waiting for it."""
    answer = httpx.post(f"{platform.url}/e/{endpoint}/infer", headers={"X-OctoAI-Async": "1"}, timeout=10)
    assert answer.status_code == 201, answer.text


def cause(platform: Platform, endpoint: str) -> str:
    """Why a request waits there."""
    return str(platform.endpoint(endpoint)["waiting"]["cause"])


def python_endpoint(folder: Path, service: str, requirements: str = "") -> str:
    """The YAML of an endpoint `mine` whose code is this."""
    (folder / "mine").mkdir()
    (folder / "mine" / "service.py").write_text(service)
    (folder / "mine" / "requirements.txt").write_text(requirements)
    return "endpoints:\n  - {name: mine, python: mine, access: public, replicas: {min: 0, max: 1}}\n"


def test_unimportable_module_shows_its_traceback(start_platform: Starter, tmp_path: Path) -> None:
    """In the endpoint's logs and in what /v1 says of it."""
    platform = start_platform(python_endpoint(tmp_path, "import no_such_module\n"))

    submit(platform, "mine")

    until(lambda: "No module named 'no_such_module'" in cause(platform, "mine"), 60)
    assert "no_such_module" in platform.run("runtime.local", "logs", "mine")


def test_crashing_command_is_a_crash_loop_with_its_last_lines(start_platform: Starter) -> None:
    """And keeps being tried."""
    platform = start_platform(
        "endpoints:\n  - name: broken\n    access: public\n    replicas: {min: 0, max: 1}\n"
        "    local: {command: 'sh -c \"echo the disk is on fire; exit 3\" {port}'}\n"
    )

    submit(platform, "broken")

    until(lambda: "the disk is on fire" in cause(platform, "broken"), 60)
    assert platform.endpoint("broken")["replicas"]["failing"] == 1


def test_missing_secret_is_named(start_platform: Starter, tmp_path: Path) -> None:
    """The name, not a value; and where to put it."""
    platform = start_platform(
        "secrets: {db-url: {}}\n"
        + stub("one", tmp_path / "journal", more="    secrets: {DATABASE_URL: db-url}\n")
    )

    submit(platform, "one")

    until(lambda: "db-url" in cause(platform, "one"))


def test_image_without_an_engine_names_the_mend(start_platform: Starter) -> None:
    """Docker or podman, or a command."""
    platform = start_platform(
        "endpoints:\n  - {name: boxed, image: 'ghcr.io/acme/embed:1.4', access: public}\n",
        env={"PATH": "/usr/bin:/bin"},
    )

    submit(platform, "boxed")

    until(lambda: "local.command" in cause(platform, "boxed"))


def test_no_free_slot_is_the_cause_where_others_use_them(start_platform: Starter, tmp_path: Path) -> None:
    """The rest wait, and are told for whom."""
    one = stub("one", tmp_path / "journal", sleep=3.0)
    two = stub("two", tmp_path / "journal").removeprefix("endpoints:\n")
    platform = start_platform(one + two, slots=1)
    submit(platform, "one")
    until(lambda: platform.endpoint("one")["replicas"]["busy"] == 1)

    submit(platform, "two")

    until(lambda: "slot" in cause(platform, "two"))
    until(
        lambda: (
            platform.endpoint("two")["replicas"]["busy"] + platform.endpoint("two")["replicas"]["ready"] == 1
        ),
        30,
    )
