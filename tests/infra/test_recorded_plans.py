"""Whole plans as the engine would get them: golden lists of every resource, and the laws that they follow.

What a recording cannot show: whether a provider replaces or updates, and what a cluster then makes of it.
"""

import base64
import json
import re
from collections import Counter
from dataclasses import asdict
from pathlib import Path

import pytest

from infra.plan.recording import Recording, Resource
from infra.project import stack_names

ROOT = Path(__file__).parent.parent.parent
GOLDEN = Path(__file__).parent.parent / "golden"
WHOLE = sorted(path.parent.name for path in GOLDEN.glob("*/Pulumi.prod.yaml"))
CASES = [*WHOLE, *(f"stack-{name}" for name in stack_names(ROOT))]
SERVICE = "moorage:components:InferenceService::"
COMPONENT = "moorage:components:"
RELEASE = "kubernetes:helm.sh/v3:Release::"
STORE = "kubernetes:external-secrets.io/v1:ClusterSecretStore::vault-store"
VALUE = "aws:secretsmanager/secretVersion:SecretVersion::"
IMAGE = "docker-build:index:Image::"
QUEUE_SECRET = "kubernetes:core/v1:Secret::queue-secret"
DATABASE = "aws:rds/instance:Instance::database-instance"
PROGRAMS = ("Gateway::gateway", "PlatformApi::api", "QueueScaler::scaler")
MOST_PER_ENDPOINT = 12
PLANTED = "planted-value"
GENERATED = "generated-in-the-state"
HASHES = (
    (re.compile(r"(/moorage-[a-z0-9-]+):[0-9a-f]{16}"), r"\1:[hash]"),
    (re.compile(r'(revision\\?"+: ?\\?"+)[0-9a-f]{16}'), r"\1[hash]"),
    (re.compile(r'("MOORAGE_REVISION", "value": ")[0-9a-f]{16}'), r"\1[hash]"),
)
"""Of the content of this repository's own folders: they change with every edit of the code."""

pytestmark = pytest.mark.timeout(120)  # the first test of a run waits for the recordings


def as_text(recording: Recording, *, is_masked: bool) -> str:
    """Every resource as the golden files hold it; a component's dependencies are all there is before it."""
    listed = []
    for resource in recording.resources:
        shown = asdict(resource)
        if resource.type.startswith(COMPONENT):
            del shown["dependencies"]
        listed.append({key: value for key, value in shown.items() if value not in ((), "", False)})
    text = json.dumps(listed, sort_keys=True)
    for pattern, replacement in HASHES if is_masked else ():
        text = pattern.sub(replacement, text)
    return json.dumps(json.loads(text), indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def own(recording: Recording, endpoint: str) -> list[Resource]:
    """Children of an endpoint's component."""
    return [each for each in recording.resources if each.parent == f"{SERVICE}{endpoint}"]


@pytest.fixture(params=CASES)
def recording(request: pytest.FixtureRequest, recorded: dict[str, Recording]) -> Recording:
    """Each case in turn."""
    return recorded[request.param]


@pytest.mark.parametrize("case", CASES)
def test_program_registers_its_golden_list(
    case: str, recorded: dict[str, Recording], update_golden: bool
) -> None:
    """Type, name, parent, inputs, order and protection of everything; each identity once."""
    golden = GOLDEN / case / "resources.json"
    text = as_text(recorded[case], is_masked=case.startswith("stack-"))

    if update_golden:
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(text, encoding="utf-8")
    urns = Counter(
        (each.type, each.parent.partition("::")[0], each.name) for each in recorded[case].resources
    )
    assert [urn for urn, count in urns.items() if count > 1] == []
    assert text == golden.read_text(encoding="utf-8")


def test_only_components_and_the_provider_stand_at_the_top(recording: Recording) -> None:
    """Everything else is the child of a component, never filed under a grandparent."""
    components = {
        f"{each.type}::{each.name}" for each in recording.resources if each.type.startswith(COMPONENT)
    }

    for each in recording.resources:
        if each.type.startswith((COMPONENT, "pulumi:providers:")):
            assert each.parent == ""
        else:
            assert each.parent in components


def test_children_are_named_for_their_component(recording: Recording) -> None:
    """Two components never give one name; namespaces and claims have their own."""
    others = ("kubernetes:core/v1:Namespace", "kubernetes:core/v1:PersistentVolumeClaim")

    odd = [
        each.name
        for each in recording.resources
        if each.parent
        and each.type not in others
        and "Namespaces::" not in each.parent
        and not each.name.startswith(f"{each.parent.partition('::')[2]}-")
    ]

    assert odd == []


def test_every_object_goes_to_the_cluster_that_the_stack_names(recording: Recording) -> None:
    """None falls back to whichever context is current."""
    elsewhere = [
        each.name
        for each in recording.resources
        if each.type.startswith("kubernetes:") and each.provider != "cluster"
    ]

    assert elsewhere == []


@pytest.mark.parametrize(("case", "is_protected"), [("smallest", True), ("every-field", False)])
def test_what_holds_data_is_protected_and_retained(
    case: str, is_protected: bool, recorded: dict[str, Recording]
) -> None:
    """The queue's server and the namespaces that hold claims, as the stack says; nothing else."""
    protected = {each.name for each in recorded[case].resources if each.protect}
    servers = [each for each in recorded[case].resources if each.type.endswith(":StatefulSet")]

    spaces = {"moorage", "moorage-baseline", "moorage-restricted"}

    assert protected == ({"queue-server", *spaces} if is_protected else set())
    assert [(each.protect, each.retained) for each in servers] == [(is_protected, is_protected)]


@pytest.mark.parametrize(("case", "is_protected"), [("aws-existing", True), ("stack-dev", False)])
def test_disk_of_usage_is_kept_as_the_queue_is(
    case: str, is_protected: bool, recorded: dict[str, Recording]
) -> None:
    """Both hold what cannot be made again."""
    kept = {
        each.name: (each.protect, each.retained)
        for each in recorded[case].resources
        if each.name in {"api-disk", "queue-server"}
    }

    assert kept == dict.fromkeys(("api-disk", "queue-server"), (is_protected, is_protected))


@pytest.mark.parametrize(
    ("case", "store"),
    [
        ("stack-dev", "kubernetes:core/v1:PersistentVolumeClaim::api-disk"),
        ("stack-prod", "kubernetes:external-secrets.io/v1:ExternalSecret::api-login"),
        ("stack-prod", DATABASE),
    ],
)
def test_platform_api_comes_after_what_it_keeps_usage_in(
    case: str, store: str, recorded: dict[str, Recording]
) -> None:
    """Its pods would stand still until then, ten minutes at most."""
    (pods,) = (each for each in recorded[case].resources if each.name == "api-deployment")

    assert store in pods.dependencies


def test_platform_api_reads_the_password_of_the_stack_s_own_database(recorded: dict[str, Recording]) -> None:
    """By the ARN that RDS gives the entry, and never in clear."""
    (login,) = (each for each in recorded["stack-prod"].resources if each.name == "api-login")

    assert DATABASE in login.dependencies
    assert login.inputs["spec"]["data"] == [
        {
            "secretKey": "password",
            "remoteRef": {"key": "arn:aws:secretsmanager:generated", "property": "password"},
        }
    ]


def test_disks_of_endpoints_outlive_them(recorded: dict[str, Recording]) -> None:
    """Weights take hours to download; who means it deletes the claim."""
    claims = [each for each in recorded["own-hosts"].resources if each.type.endswith("VolumeClaim")]

    assert {each.name: each.retained for each in claims} == {"vault.cache": True, "vault.weights": True}


def test_replicas_are_the_scalers_alone(recording: Recording) -> None:
    """Born with none, and never touched again."""
    for name in {each.name for each in recording.resources if each.type == SERVICE.rstrip(":")}:
        (deployment,) = (each for each in own(recording, name) if each.type.endswith(":Deployment"))

        assert deployment.inputs["spec"]["replicas"] == 0
        assert deployment.ignored == ("spec.replicas",)


def test_record_goes_before_its_deployment_goes(recording: Recording) -> None:
    """It depends on it, so on removal no request is let in that nobody would answer."""
    for each in recording.resources:
        if each.type.endswith(":ConfigMap") and each.parent.startswith(SERVICE):
            assert each.dependencies == (
                f"kubernetes:apps/v1:Deployment::{each.parent.removeprefix(SERVICE)}-deployment",
            )


def test_endpoints_wait_for_the_namespaces_and_the_scaler(recording: Recording) -> None:
    """And leave before them."""
    for each in recording.resources:
        if each.type == SERVICE.rstrip(":"):
            assert "kubernetes:core/v1:Namespace::" in " ".join(each.dependencies)
            assert "kubernetes:apps/v1:Deployment::scaler-deployment" in each.dependencies


@pytest.mark.parametrize(
    ("component", "others"),
    [
        (
            f"{COMPONENT}SecretStore::secrets",
            {f"{RELEASE}addons-external-secrets", STORE, f"{VALUE}vault-message-value"},
        ),
        (f"{COMPONENT}RegistryCredentials::registries", {STORE, f"{VALUE}vault-ghcr-token-value"}),
        (f"{COMPONENT}PlatformApi::api", {DATABASE, f"{RELEASE}addons-external-secrets", STORE}),
        (f"{SERVICE}embed", {f"{RELEASE}addons-keda", f"{IMAGE}images-runtime"}),
        *((f"{COMPONENT}{program}", {QUEUE_SECRET, f"{IMAGE}images-runtime"}) for program in PROGRAMS),
    ],
)
def test_what_others_serve_waits_for_them(
    recorded: dict[str, Recording], component: str, others: set[str]
) -> None:
    """Kinds come with their operator and do not go without it, and a value is there before it is looked for.

    A queue takes a quarter of an hour, an image as long as its build, and a pod may take ten minutes to start.
    """
    listed = recorded["aws-every-key"].resources

    found = next(each for each in listed if f"{each.type}::{each.name}" == component)

    assert others <= set(found.dependencies)


def test_a_zone_more_leaves_the_control_plane_where_it_is(recorded: dict[str, Recording]) -> None:
    """EKS takes no subnet of another zone once the cluster is made, and the whole `up` would fail."""
    (cluster,) = (
        each for each in recorded["aws-every-key"].resources if each.type.endswith("eks/cluster:Cluster")
    )

    assert cluster.ignored == ("vpcConfig.subnetIds",)


def test_public_load_balancer_waits_for_the_way_out(recorded: dict[str, Recording]) -> None:
    """AWS makes none in a VPC without an internet gateway, and lets no gateway go before it: by its subnets."""
    resources = {
        each.name: each for each in recorded["aws-every-key"].resources if each.type.startswith("aws:ec2/")
    }

    for zone in "abc":
        assert "aws:ec2/internetGateway:InternetGateway::network-internet" in (
            resources[f"network-public-{zone}"].dependencies
        )


def test_endpoint_has_few_resources(recording: Recording) -> None:
    """A thousand endpoints stay a stack that an engine can hold."""
    for each in recording.resources:
        if each.type == SERVICE.rstrip(":"):
            assert len(own(recording, each.name)) <= MOST_PER_ENDPOINT


def test_no_generated_value_is_in_clear(recording: Recording) -> None:
    """Passwords and tokens of the state, and what is made from them."""
    text = recording.to_json()

    assert GENERATED not in text
    assert base64.b64encode(GENERATED.encode()).decode().rstrip("=") not in text


def test_no_secret_of_the_stack_is_in_clear(recorded: dict[str, Recording]) -> None:
    """Planted values stand only where a whole value is masked; no login is made from them in clear."""
    texts = recorded["own-hosts"].to_json()
    logins = [base64.b64encode(f"bot:{PLANTED}".encode()).decode(), f"bot:{PLANTED}"]

    assert not any(login in texts for login in logins)
    assert texts.count(PLANTED) == texts.count(f'"{PLANTED}"')
    for each in recorded["own-hosts"].resources:
        if each.inputs.get("kind") == "Secret":
            assert each.inputs["stringData"] == PLANTED or set(each.inputs["stringData"].values()) == {
                PLANTED
            }
        else:
            assert PLANTED not in json.dumps(each.inputs) or each.type.startswith("random:")


def test_stack_without_values_makes_no_secret_of_endpoints(recorded: dict[str, Recording]) -> None:
    """With External Secrets they are brought; only the queue's and the tokens' are Pulumi's own."""
    resources = recorded["every-field"].resources
    made = {each.name for each in resources if each.inputs.get("kind") == "Secret"}
    brought = {each.name for each in resources if each.inputs.get("kind") == "ExternalSecret"}

    assert made == {
        "gateway-tokens",
        "queue-secret",
        *(f"{name}-queue" for name in ("embed", "sdxl", "sentiment", "whisper")),
    }
    assert brought == {"secrets-db-url-serving-baseline", "registries-ghcr-serving-baseline"}


def test_recording_is_read_back_as_it_was(recording: Recording) -> None:
    """An older one lacks fields that came later, and is read all the same."""
    assert Recording.from_json(recording.to_json()) == recording

    old = json.loads(recording.to_json())
    for each in old["resources"]:
        for key in ("retained", "ignored", "provider"):
            del each[key]
    assert len(Recording.from_json(json.dumps(old)).resources) == len(recording.resources)
