"""Endpoints that are right by themselves and ask for what their stack has not: each at its line."""

from pathlib import Path

import pytest

from infra.project import check_fit, read_specs
from infra.spec.errors import SpecError
from infra.spec.load_stack import load_stack

STACK = "config:\n  moorage:backend: kubernetes\n  moorage:domain: models.example.com\n"
REGISTRY = "  moorage:images: {registry: ghcr.io/acme}\n"
EXTERNAL = "  moorage:secrets: external\n  moorage:secret_store: {name: vault}\n"
AWS = """config:
  moorage:backend: aws
  moorage:domain: models.example.com
  moorage:context: shared
  moorage:aws:
    account: "123456789012"
    region: eu-central-1
    queue: {}
    network:
      existing:
        vpc: vpc-0123456789abcdef0
        cidr: 10.0.0.0/16
        private_subnets: [subnet-0123456789abcdef0, subnet-0123456789abcdef1]
    cluster: {existing: {name: shared, security_group: sg-0123456789abcdef0}}
"""
SECRETS = """account: acme
registries:
  ghcr: {server: ghcr.io, username: bot, password: {secret: login}}
secrets:
  login: {}
  used: {}
  unused: {}
endpoints:
  - name: embed
    image: ghcr.io/acme/embed:1
    registry: ghcr
    secrets: {KEY: used}
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with code to serve."""
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "service.py").write_text("class Service: ...\n")
    return tmp_path


def faults(
    project: Path,
    endpoints: str,
    stack: str = "",
    values: frozenset[str] = frozenset(),
    *,
    head: str = STACK,
) -> list[str]:
    """What does not fit, as a user reads it."""
    (project / "endpoints.yaml").write_text(endpoints)
    settings = load_stack(head + stack, "stacks/Pulumi.prod.yaml").settings
    try:
        check_fit(project, read_specs(project), settings, values)
    except SpecError as error:
        return str(error).splitlines()
    return []


def test_command_alone_does_not_run_in_a_cluster(project: Path) -> None:
    """It needs an image beside it."""
    text = "account: a\nendpoints:\n  - name: mine\n    local: {command: 'serve --port {port}'}\n"

    assert faults(project, text) == [
        "endpoints.yaml:3: endpoints[0]: it has no image, so a cluster cannot run it.",
        "  Add image beside local.  [image-missing]",
    ]


def test_python_endpoint_needs_a_registry_or_an_image(project: Path) -> None:
    """Either ends the fault."""
    text = "account: a\nendpoints:\n  - name: mine\n    python: code\n"

    assert faults(project, text) == [
        "endpoints.yaml:4: endpoints[0].python: the stack says neither where its image is pushed nor which it is.",
        "  Add moorage:images: {registry: ghcr.io/you}, or {services: {mine: …}}.  [image-missing]",
    ]
    assert faults(project, text, REGISTRY) == []
    assert faults(project, text, "  moorage:images: {services: {mine: ghcr.io/acme/mine:1}}\n") == []


def test_volume_of_several_replicas_needs_a_shared_class(project: Path) -> None:
    """One replica, or a class, ends the fault."""
    text = (
        "account: a\nendpoints:\n  - name: mine\n    image: a/b:1\n    replicas: {max: 3}\n"
        "    volumes:\n      weights: 1Ti\n      cache: 5Gi\n"
    )

    assert faults(project, text) == [
        "endpoints.yaml:8: endpoints[0].volumes.cache: 3 replicas need it at once, and the stack has no shared class.",
        "  Add moorage:storage: {shared_class: …} (ReadWriteMany), or lower replicas.max to 1.  [storage-shared]",
    ]
    assert faults(project, text, "  moorage:storage: {shared_class: efs}\n") == []
    assert faults(project, text.replace("max: 3", "max: 1")) == []


def test_secret_of_aws_needs_a_store_that_reads_it(project: Path) -> None:
    """A stack that keeps values itself looks nowhere else."""
    text = SECRETS.replace("used: {}", "used: {aws_secret: prod/used}", 1)

    assert faults(project, text, values=frozenset({"login", "used"})) == [
        "endpoints.yaml:6: secrets.used.aws_secret: this stack keeps values itself and reads no AWS Secrets Manager.",
        "  Write {} and set it in the stack, or read it from a store: moorage:secrets: external.  [secret-source]",
    ]
    assert faults(project, text, EXTERNAL) == []


def test_used_secrets_need_a_value_in_the_stack(project: Path) -> None:
    """The password of a registry too; what no endpoint uses needs none."""
    assert faults(project, SECRETS) == [
        "endpoints.yaml:5: secrets.login: the stack has no value for it.",
        "  Run `pulumi config set --secret secrets.login`.  [secret-unset]",
        "endpoints.yaml:6: secrets.used: the stack has no value for it.",
        "  Run `pulumi config set --secret secrets.used`.  [secret-unset]",
    ]
    assert faults(project, SECRETS, values=frozenset({"login", "used"})) == []


@pytest.mark.parametrize("stack", [EXTERNAL, "  moorage:secrets: present\n"])
def test_secrets_that_live_elsewhere_need_no_value(project: Path, stack: str) -> None:
    """The stack holds none of them."""
    assert faults(project, SECRETS, stack) == []


def test_all_that_does_not_fit_is_told_at_once(project: Path) -> None:
    """Three faults, one run; a secret in a place where nobody looks is one fault."""
    text = (
        "account: a\nsecrets:\n  one: {aws_secret: x}\nendpoints:\n  - name: mine\n    python: code\n"
        "    replicas: {max: 2}\n    volumes: {cache: 1Gi}\n    secrets: {KEY: one}\n"
    )

    codes = [line.rpartition("[")[2].rstrip("]") for line in faults(project, text) if line.startswith("  ")]

    assert codes == ["secret-source", "image-missing", "storage-shared"]


def test_account_settles_what_endpoints_ask_for(project: Path) -> None:
    """Images, shared volumes and entries of Secrets Manager need no setting there."""
    text = (
        "account: a\nsecrets:\n  db: {aws_secret: prod/db}\nendpoints:\n  - name: mine\n    python: code\n"
        "    ingress: private\n    replicas: {max: 2}\n    volumes: {cache: 5Gi}\n    secrets: {DB: db}\n"
    )

    assert faults(project, text, head=AWS) == []


def test_public_endpoint_needs_public_subnets_of_a_network_that_is_there(project: Path) -> None:
    """Nobody else could say where its load balancer goes."""
    text = "account: a\nendpoints:\n  - name: mine\n    image: acme/mine:1\n"

    assert faults(project, text, head=AWS) == [
        "endpoints.yaml:3: endpoints[0]: the stack names no public subnets, so it has no public load balancer.",
        "  Write ingress: private, or add aws.network.existing.public_subnets to the stack.  [subnets-missing]",
    ]


def test_entry_of_another_region_is_no_secret_of_the_stack(project: Path) -> None:
    """External Secrets reads in one region."""
    entry = "arn:aws:secretsmanager:us-east-1:123456789012:secret:prod/db-AbCdEf"
    text = (
        f"account: a\nsecrets:\n  db: {{aws_secret: '{entry}'}}\nendpoints:\n  - name: mine\n"
        "    image: acme/mine:1\n    ingress: private\n    secrets: {DB: db}\n"
    )

    assert faults(project, text, head=AWS)[1].endswith("[secret-region]")


def test_managed_queue_has_users_for_so_many_endpoints(project: Path) -> None:
    """A group of users is bounded by AWS."""
    many = "".join(f"  - name: e{at}\n    image: acme/mine:1\n    ingress: private\n" for at in range(97))

    told = faults(project, f"account: a\nendpoints:\n{many}", head=AWS)

    assert "endpoints[96]" in told[0]
    assert told[1].endswith("[queue-users]")
