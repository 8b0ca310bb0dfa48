"""What pods may do and reach: network policies, Pod Security, the rights of each identity."""

import json
from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any
from uuid import uuid4

import pytest
from e2e.client import Platform
from e2e.cluster_api import Object
from e2e.commands import CommandError
from e2e.figures import Figures
from e2e.installation import Installation
from e2e.load import Fate, Load
from e2e.stories import all_pods, spaces, told

from runtime.wire.cluster import INNER_PORT, PUBLIC_PORT, QUEUE_PORT, WORKER_PORTS

SHOWN = "zero"
"""An endpoint that runs while the stranger tries to reach it."""
PRIVILEGED: Mapping[str, Mapping[str, Any]] = {
    "privileged": {"containers": [{"securityContext": {"privileged": True}}]},
    "host network": {"hostNetwork": True},
    "host path": {"volumes": [{"name": "host", "hostPath": {"path": "/"}}]},
    "host processes": {"hostPID": True},
}
"""What no namespace of ours lets in."""
AS_ROOT: Mapping[str, Any] = {"containers": [{"securityContext": {"runAsUser": 0}}]}
CONNECT = """
import json, socket, sys
def is_open(place):
    host, port = place.rsplit(":", 1)
    try:
        socket.create_connection((host, int(port)), 3).close()
    except OSError:
        return False
    return True
print(json.dumps({place: is_open(place) for place in sys.argv[1:]}))
"""
"""What the stranger's pod runs."""
STRANGER_SECONDS = 60.0


async def test_every_pod_is_under_a_policy_that_denies_the_rest(platform: Platform) -> None:
    """In each namespace all pods are denied both ways, and each pod's own flows are named by a policy."""
    await _serve_one(platform)
    assert await platform.pods(SHOWN)
    uncovered = []
    for namespace in spaces(platform):
        policies = await _policies(platform, namespace)
        denied = [each for each in policies if each["spec"]["podSelector"] == {} and _denies(each["spec"])]
        assert denied, f"{namespace} denies nothing"
        pods = await platform.api.list("pods", namespace)
        named = [each for each in policies if each["spec"]["podSelector"]]
        uncovered += [_name(pod) for pod in pods if not any(_selects(each, pod) for each in named)]

    assert uncovered == []


async def test_policies_let_nobody_in_to_a_replica(platform: Platform) -> None:
    """No policy of the endpoints' namespaces has a way in; probes come from the node itself."""
    within = platform.access.endpoint_namespaces
    policies = [each for space in within for each in await _policies(platform, space)]

    assert [_name(each) for each in policies if each["spec"].get("ingress")] == []


async def test_a_stranger_reaches_clients_ports_only(
    platform: Platform, installation: Installation, figures: Figures
) -> None:
    """From a pod of another namespace, as far as the cluster's network enforces policies; it is told whether."""
    await _serve_one(platform)
    (replica,) = [pod["status"]["podIP"] for pod in await platform.pods(SHOWN)]
    gateway = (await platform.component_pods("gateway"))[0]["status"]["podIP"]
    queue = (await platform.component_pods("queue"))[0]["status"]["podIP"]
    barred = [
        f"{replica}:8080",
        f"{replica}:{WORKER_PORTS[0]}",
        f"{gateway}:{INNER_PORT}",
        f"{queue}:{QUEUE_PORT}",
    ]

    image = installation.parts.images["runtime"]
    reached = await _as_stranger(platform, image, [*barred, f"{gateway}:{PUBLIC_PORT}"])

    assert reached.pop(f"{gateway}:{PUBLIC_PORT}"), "the stranger has no network at all"
    is_enforced = not any(reached.values())
    figures.add("network policies enforced by this cluster", "yes" if is_enforced else "no, so not shown")
    assert is_enforced or all(reached.values()), f"enforced in part: {reached}"


@pytest.mark.parametrize("kind", PRIVILEGED)
async def test_pod_security_refuses_a_privileged_pod(platform: Platform, kind: str) -> None:
    """In each namespace, the platform's too."""
    for namespace in spaces(platform):
        refusal = await _refusal(platform, namespace, PRIVILEGED[kind])
        assert "violates PodSecurity" in refusal, f"{namespace}: {refusal}"


async def test_restricted_namespaces_refuse_root(platform: Platform) -> None:
    """Root is for `security: baseline` alone."""
    baseline, restricted = platform.access.endpoint_namespaces

    assert await _refusal(platform, baseline, AS_ROOT) == ""
    assert "violates PodSecurity" in await _refusal(platform, restricted, AS_ROOT)
    assert "violates PodSecurity" in await _refusal(platform, platform.access.namespace, AS_ROOT)


async def test_only_who_needs_the_api_has_a_token_for_it(platform: Platform) -> None:
    """Gateway, platform API and scaler; no replica and not the queue."""
    await _serve_one(platform)
    pods = await all_pods(platform)
    holders = {_component(pod) for pod in pods if _has_token(pod)}

    assert "replica" in {_component(pod) for pod in pods}
    assert holders == {"gateway", "api", "scaler"}


@pytest.mark.parametrize("who", ["gateway", "api", "scaler", "queue", "replica"])
async def test_no_identity_of_the_platform_can_read_secrets(platform: Platform, who: str) -> None:
    """Kubernetes refuses each, in every namespace."""
    homes = platform.access.endpoint_namespaces if who == "replica" else (platform.access.namespace,)

    for home, namespace in product(homes, spaces(platform)):
        identity = f"--as=system:serviceaccount:{home}:{who}"
        words = ("get", "secrets", f"--namespace={namespace}", identity)
        with pytest.raises(CommandError, match="forbidden"):
            await platform.kubectl(*words)


async def _serve_one(platform: Platform) -> None:
    """Let an endpoint have a replica."""
    load = Load(platform, SHOWN)
    assert (await load.send(seconds=0)).fate is Fate.ANSWERED, told(load.ledger.entries)


async def _policies(platform: Platform, namespace: str) -> list[Object]:
    words = ("get", "networkpolicies", f"--namespace={namespace}", "-o", "json")
    found: list[Object] = json.loads(await platform.kubectl(*words))["items"]
    return found


def _denies(spec: Object) -> bool:
    """Whether a policy lets nothing through, either way."""
    return (
        set(spec["policyTypes"]) == {"Ingress", "Egress"}
        and not spec.get("ingress")
        and not spec.get("egress")
    )


def _selects(policy: Object, pod: Object) -> bool:
    wanted = policy["spec"]["podSelector"]["matchLabels"]
    return all(pod["metadata"]["labels"].get(key) == value for key, value in wanted.items())


def _name(found: Object) -> str:
    return str(found["metadata"]["name"])


def _component(pod: Object) -> str:
    return str(pod["metadata"]["labels"]["app.kubernetes.io/component"])


def _has_token(pod: Object) -> bool:
    """Whether a token of the Kubernetes API is mounted in a pod."""
    volumes = pod["spec"].get("volumes") or ()
    sources = [source for each in volumes for source in each.get("projected", {}).get("sources", ())]
    return any("serviceAccountToken" in source for source in sources)


async def _refusal(platform: Platform, namespace: str, spec: Mapping[str, Any]) -> str:
    """Why a pod would not be let in; empty where it would. Nothing is made."""
    (container,) = spec.get("containers", ({},))
    whole = {**spec, "containers": [{"name": "it", "image": "example.com/it:1", **container}]}
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": f"try-{uuid4().hex[:8]}", "namespace": namespace},
        "spec": whole,
    }
    try:
        await platform.kubectl("create", "--dry-run=server", "-f", "-", stdin=json.dumps(pod))
    except CommandError as refused:
        return str(refused)
    return ""


async def _as_stranger(platform: Platform, image: str, places: Sequence[str]) -> dict[str, bool]:
    """Which of these a pod in the namespace `default` can open a connection to."""
    name = f"stranger-{uuid4().hex[:8]}"
    container = {"name": "it", "image": image, "command": ["python", "-c", CONNECT, *places]}
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"restartPolicy": "Never", "terminationGracePeriodSeconds": 1, "containers": [container]},
    }
    await platform.kubectl("create", "-f", "-", stdin=json.dumps(pod))
    try:

        async def has_ended() -> bool:
            phase = (await platform.api.get("pods", name, "default"))["status"].get("phase")
            return phase in {"Succeeded", "Failed"}

        await platform.wait(has_ended, STRANGER_SECONDS, "the stranger's pod at its end", poll=0.25)
        found: dict[str, bool] = json.loads(await platform.kubectl("logs", name, "--namespace=default"))
        return found
    finally:
        await platform.api.delete("pods", name, "default", grace_seconds=0)
