"""Terraform's AWS provider, which Pulumi's is made from, takes what the program asks for.

Where terraform and its provider are at hand: its own checks of every case, and an account in memory in which one
case is made. docs/aws-checks.md says what neither can do.
"""

import asyncio
import json
import os
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from support.aws_cases import CASES, aws_blocks
from support.aws_document import names
from support.polling import until
from support.ports import free_port
from support.terraform import fitted, hcl, without

from infra.plan.recording import Recording

WHOLE = "aws-every-key"
"""The case that is made in an account in memory: its network and its cluster are its own."""
PROVIDER = """terraform {
  required_providers { aws = { source = "hashicorp/aws" } }
}
provider "aws" {
  region                      = "eu-central-1"
  access_key                  = "testing"
  secret_key                  = "testing"
  max_retries                 = 1
  s3_use_path_style           = true
  skip_credentials_validation = true
  skip_metadata_api_check     = true
}
"""
STAND_INS = {
    # moto's clusters have no security group of their own.
    r"aws_eks_cluster\.\w+\.vpc_config\[0\]\.cluster_security_group_id": (
        "aws_default_security_group.network_default_closed.id"
    ),
    r'"\[secret\]"': '"a-password-that-is-long-enough"',
}
"""Expressions for the account in memory, by what they stand for."""


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which terraform has its AWS provider."""
    if shutil.which("terraform") is None:
        pytest.skip("terraform is not installed")
    plugins = os.environ.get("TERRAFORM_PLUGINS", "")
    if not plugins:
        pytest.skip("TERRAFORM_PLUGINS names no folder with terraform's AWS provider")
    folder = tmp_path_factory.mktemp("terraform")
    (folder / "provider.tf").write_text(PROVIDER)
    run(folder, "init", f"-plugin-dir={plugins}")
    return folder


@pytest.fixture(scope="module")
def schemas(provider: Path) -> Mapping[str, Any]:
    """What the provider takes, by type of resource."""
    (found,) = json.loads(run(provider, "providers", "schema", "-json"))["provider_schemas"].values()
    return dict(found["resource_schemas"])


def run(folder: Path, *argv: str, ends: tuple[int, ...] = (0,), address: str | None = None) -> str:
    """What terraform says; it asks nobody, or the account at that address."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "TF_"))}
    own = {"CHECKPOINT_DISABLE": "1", **({} if address is None else {"AWS_ENDPOINT_URL": address})}
    argv = ("terraform", *argv)
    done = subprocess.run(argv, cwd=folder, env=kept | own, capture_output=True, text=True, check=False)
    assert done.returncode in ends, (done.stdout + done.stderr)[-6000:]
    return done.stdout


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("case", CASES)
def test_the_provider_takes_every_argument(
    case: str, recorded: dict[str, Recording], provider: Path, schemas: Mapping[str, Any]
) -> None:
    """Its checks of values and forms pass, and what it does not know yet the document names."""
    blocks, unknown = fitted(aws_blocks(recorded[case]), schemas)
    (provider / "main.tf").write_text(hcl(blocks))

    report = json.loads(run(provider, "validate", "-json", ends=(0, 1)))

    assert [each for each in report["diagnostics"] if not is_of_a_placeholder(each)] == []
    assert unknown <= names("Newer than the provider")


def is_of_a_placeholder(diagnostic: Mapping[str, Any]) -> bool:
    """Whether it is about the form of a value that only AWS could give."""
    return "generated" in f"{diagnostic['summary']}{diagnostic.get('detail')}"


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_an_account_in_memory_is_made_whole(
    recorded: dict[str, Recording], provider: Path, programs: Path, schemas: Mapping[str, Any], tmp_path: Path
) -> None:
    """Every resource of a kind that moto can make, in the order of its dependencies."""
    blocks, _ = fitted(aws_blocks(recorded[WHOLE]), schemas)
    made = without(blocks, names("What moto cannot make"))
    text = hcl(made)
    for expression, stand_in in STAND_INS.items():
        text = re.sub(expression, stand_in, text)
    (provider / "main.tf").write_text(text)

    with account(programs, tmp_path) as address:
        said = run(provider, "apply", "-auto-approve", "-no-color", "-input=false", address=address)

    assert f"{len(made)} added, 0 changed, 0 destroyed" in said
    assert len(made) > len(blocks) / 2


@contextmanager
def account(programs: Path, folder: Path) -> Iterator[str]:
    """An AWS account in memory; its address."""
    port = free_port()
    own = {"MOTO_ACCOUNT_ID": "123456789012", "MOTO_IAM_LOAD_MANAGED_POLICIES": "true"}
    argv = (programs / "moto_server", "-H", "127.0.0.1", "-p", str(port))
    with (folder / "moto.log").open("w") as log:
        server = subprocess.Popen(argv, env=os.environ | own, stdout=log, stderr=log)
        try:
            asyncio.run(until(lambda: answers(port), 60))
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()
            server.wait(timeout=30)


def answers(port: int) -> bool:
    """Whether somebody listens."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
