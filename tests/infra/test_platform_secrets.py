"""What the platform keeps for itself without Pulumi: made from one key, and right for those who read it."""

import hashlib
import stat
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.recordings import write_project

from infra.platform_secrets import main
from runtime.wire.queue_users import worker_password
from runtime.wire.tokens import Tokens

ENDPOINTS = """account: acme
secrets: {db: {}}
tokens: {ci: {endpoints: [first]}}
endpoints:
  - {name: first, image: "ghcr.io/acme/first:1", secrets: {DATABASE_URL: db}}
  - {name: second, image: "ghcr.io/acme/second:1", security: restricted}
"""
STACK = """config:
  moorage:backend: kubernetes
  moorage:domain: models.example.com
  moorage:secrets: present
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Two endpoints in two namespaces, and a token beside the owner's."""
    return write_project(tmp_path / "project", ENDPOINTS, STACK)


def printed(project: Path, key: Path, capsys: pytest.CaptureFixture[str], *options: str) -> str:
    """What the program prints."""
    arguments = ["--stack", "prod", "--project", str(project), "--key", str(key), *options]
    assert main(arguments) == 0
    return capsys.readouterr().out


def secrets_by_name(text: str) -> dict[str, dict[str, Any]]:
    """The Secrets by name."""
    return {each["metadata"]["name"]: each for each in yaml.safe_load_all(text)}


def test_every_secret_of_the_platform_is_there_and_no_secret_of_an_endpoint(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Values of `secret-db` are not ours to make."""
    found = secrets_by_name(printed(project, tmp_path / "key", capsys))

    assert {name: each["metadata"]["namespace"] for name, each in found.items()} == {
        "queue": "moorage",
        "tokens": "moorage",
        "queue-first": "moorage-baseline",
        "queue-second": "moorage-restricted",
    }
    assert {each["kind"] for each in found.values()} == {"Secret"}


def test_programs_and_queue_agree_on_passwords(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The users' file holds the hash of what stands in each address."""
    content = secrets_by_name(printed(project, tmp_path / "key", capsys))["queue"]["stringData"]

    for user in ("api", "gateway", "scaler"):
        password = content[f"{user}-url"].removeprefix(f"valkey://{user}:").partition("@")[0]
        assert f"user {user} on #{hashlib.sha256(password.encode()).hexdigest()} " in content["users.acl"]


def test_workers_have_the_password_that_the_scaler_gives_them(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both make it from the worker key."""
    found = secrets_by_name(printed(project, tmp_path / "key", capsys))

    password = worker_password(found["queue"]["stringData"]["worker-key"], "first")
    url = found["queue-first"]["stringData"]["queue-url"]
    assert url == f"valkey://worker-first:{password}@queue.moorage.svc:6379"


def test_tokens_that_are_printed_open_what_their_grant_says(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The Secret holds their hashes alone."""
    key = tmp_path / "key"
    text = secrets_by_name(printed(project, key, capsys))["tokens"]["stringData"]["tokens.json"]
    tokens = yaml.safe_load(printed(project, key, capsys, "--tokens"))

    known = Tokens.model_validate_json(text)
    assert {name: grant.endpoints for name, token in tokens.items() if (grant := known.find(token))} == {
        "ci": ("first",),
        "owner": (),
    }
    assert not any(token in text for token in tokens.values())


def test_same_key_gives_the_same_secrets_and_another_one_others(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """So nothing changes for the others when an endpoint comes."""
    first = printed(project, tmp_path / "key", capsys)

    assert printed(project, tmp_path / "key", capsys) == first
    assert printed(project, tmp_path / "other", capsys) != first


def test_new_key_is_for_its_owner_alone(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever reads it has every password."""
    key = tmp_path / "key"
    printed(project, key, capsys)

    assert stat.S_IMODE(key.stat().st_mode) == 0o600


def test_short_key_is_refused(project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An empty file, say, would give everybody the same passwords."""
    key = tmp_path / "key"
    key.write_text("hunter2\n")

    assert main(["--stack", "prod", "--project", str(project), "--key", str(key)]) == 1
    assert "7 characters are no key" in capsys.readouterr().err
