"""Laws that the plan of any project in any stack follows."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.plans import Values, every_object, planned, pods, projects, specs_of, stacks

from infra.plan.images import plan_images
from infra.plan.ingresses import LONGEST_HOLD_SECONDS
from infra.plan.manifests import gateway, replicas
from infra.plan.manifests.parts import LOST_NODE_SECONDS, LOST_NODE_TAINTS, lost_node_tolerations
from infra.plan.values import Plan
from infra.spec.stack import Stack
from runtime.wire.names import LONGEST, short

RFC_1123 = re.compile(r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?")
SUBDOMAIN = re.compile(r"(?:[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?)(?:\.[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?)*")
LABEL_VALUE = re.compile(r"(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
IMAGE = re.compile(
    r"[a-z0-9.]+(?::[0-9]+)?(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)+:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}"
)
law = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def texts(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Every text of a manifest with the key that it stands under."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield from texts(item, name)
    elif isinstance(value, list):
        for item in value:
            yield from texts(item, key)
    elif isinstance(value, str):
        yield key, value


def seconds(probe: dict[str, Any]) -> int:
    """How long a probe may fail before it counts."""
    return int(probe["failureThreshold"]) * int(probe["periodSeconds"])


@law
@given(values=projects(), stack=stacks())
def test_no_two_objects_share_kind_place_and_name(values: Values, stack: Stack) -> None:
    """The second would overwrite the first."""
    plan = planned(values, stack)

    places = Counter(
        (kind, manifest["metadata"].get("namespace"), manifest["metadata"]["name"])
        for kind, manifest in every_object(plan)
    )

    assert [place for place, count in places.items() if count > 1] == []


@law
@given(values=projects(), stack=stacks())
def test_no_two_resources_share_type_and_name(values: Values, stack: Stack) -> None:
    """Pulumi's URN has the parent's type and not its name, so names differ across endpoints too."""
    plan = planned(values, stack)
    named: dict[str, list[str]] = {
        "ingresses": [each.name for each in plan.ingresses],
        "secrets": [each.name for each in plan.secrets],
        "registries": [each.name for each in plan.registries],
        "images": [each.name for each in plan.images],
        "groups": [each.name for each in plan.node_groups],
        "volumes": [volume.name for each in plan.endpoints for volume in each.volumes],
    }

    assert {kind: names for kind, names in named.items() if len(set(names)) < len(names)} == {}


@law
@given(values=projects(), stack=stacks())
def test_every_name_is_one_that_kubernetes_takes(values: Values, stack: Stack) -> None:
    """Names of objects, containers, ports and volumes, and values of labels, up to 63 characters."""
    plan = planned(values, stack)

    for _, manifest in every_object(plan):
        labels = manifest["metadata"]["labels"]
        assert SUBDOMAIN.fullmatch(manifest["metadata"]["name"])
        assert len(manifest["metadata"]["name"]) <= LONGEST
        assert all(LABEL_VALUE.fullmatch(value) for value in labels.values())
    for endpoint in plan.endpoints:
        pod = pods(replicas.deployment(endpoint))
        assert all(RFC_1123.fullmatch(volume["name"]) for volume in pod["volumes"])
        mounts = [mount["mountPath"] for mount in pod["containers"][0]["volumeMounts"]]
        assert len(set(mounts)) == len(mounts)
        assert len({volume["name"] for volume in pod["volumes"]}) == len(pod["volumes"])
    assert all(SUBDOMAIN.fullmatch(host.removeprefix("*.")) for each in plan.ingresses for host in each.hosts)


@law
@given(values=projects(), stack=stacks())
def test_every_mount_has_its_volume(values: Values, stack: Stack) -> None:
    """And every volume a mount, but for those that only one container has."""
    for endpoint in planned(values, stack).endpoints:
        pod = pods(replicas.deployment(endpoint))
        containers = [*pod["initContainers"], *pod["containers"]]

        mounted = {mount["name"] for each in containers for mount in each["volumeMounts"]}

        assert mounted == {volume["name"] for volume in pod["volumes"]}


@given(
    name=st.text("abcdefgh-", min_size=1, max_size=200), other=st.text("abcdefgh-", min_size=1, max_size=200)
)
def test_shortening_is_stable_and_keeps_names_apart(name: str, other: str) -> None:
    """A short name is itself, a long one keeps its beginning, and two stay two."""
    assert len(short(name)) <= LONGEST
    assert short(short(name)) == short(name)
    assert short(name).startswith(name[:40].rstrip("-"))
    assert (short(name) == short(other)) == (name == other)


@law
@given(values=projects(), stack=stacks())
def test_node_groups_hold_the_most_replicas_of_all(values: Values, stack: Stack) -> None:
    """For each hardware the sum, of the fewest as well."""
    plan = planned(values, stack)
    for group in plan.node_groups:
        own = [each["replicas"] for each in values["endpoints"] if each["hardware"] == group.hardware]

        assert group.replicas == sum(each["max"] for each in own)
        assert group.min_replicas == sum(each["min"] for each in own)
    assert {group.hardware for group in plan.node_groups} == {
        each["hardware"] for each in values["endpoints"]
    }


@law
@given(values=projects(), stack=stacks())
def test_every_hop_outlasts_the_deadlines(values: Values, stack: Stack) -> None:
    """Load balancer, gateway, pod, probes: nobody cuts a request that still may run."""
    plan = planned(values, stack)
    held = {
        each["name"]: min(
            each["limits"]["queue_seconds"] + each["limits"]["request_seconds"], LONGEST_HOLD_SECONDS
        )
        for each in values["endpoints"]
    }

    grace = pods(gateway.gateway_deployment(plan))["terminationGracePeriodSeconds"]
    assert grace > plan.gateway.grace_seconds >= max(held.values())
    for ingress in plan.ingresses:
        own = held.values() if ingress.endpoint is None else [held[ingress.endpoint]]
        assert ingress.seconds >= max(own)
        timeouts = [int(value) for key, value in ingress.annotations.items() if key.endswith("-timeout")]
        assert all(timeout >= ingress.seconds for timeout in timeouts)
    for endpoint in plan.endpoints:
        pod, limits = pods(replicas.deployment(endpoint)), endpoint.record.limits
        assert pod["terminationGracePeriodSeconds"] > limits.request_seconds
        assert seconds(pod["containers"][0]["startupProbe"]) >= limits.start_seconds
        assert endpoint.progress_seconds > limits.start_seconds


@law
@given(values=projects(), stack=stacks())
def test_pods_leave_a_lost_node_soon(values: Values, stack: Stack) -> None:
    """All but the queue's, whose disk waits for the node anyway: Kubernetes' own five minutes are a request's end."""
    for kind, manifest in every_object(planned(values, stack)):
        if kind == "Deployment":
            seconds_left = {
                each["key"]: each["tolerationSeconds"]
                for each in pods(manifest)["tolerations"]
                if "tolerationSeconds" in each
            }
            assert seconds_left == dict.fromkeys(LOST_NODE_TAINTS, LOST_NODE_SECONDS)


def test_a_stack_may_stay_on_lost_nodes_on_its_own_terms() -> None:
    """Where its nodes name the taint themselves, nothing is added that would shorten their patience."""
    assert [each["key"] for each in lost_node_tolerations([LOST_NODE_TAINTS[0], "gpu"])] == [
        LOST_NODE_TAINTS[1]
    ]


@law
@given(values=projects(), stack=stacks())
def test_every_secret_that_a_pod_names_comes_from_somewhere(values: Values, stack: Stack) -> None:
    """Made by the plan, brought from the store, or of the stack's own that the reference says must be there."""
    plan = planned(values, stack)
    objects = list(every_object(plan))
    there = {
        (manifest["metadata"]["namespace"], manifest["metadata"]["name"])
        for kind, manifest in objects
        if kind in {"Secret", "ExternalSecret"}
    }
    given_names = {stack.objects.secret if stack.objects else None, stack.images.pull_secret}
    if stack.secrets == "present":
        there |= {(each.namespace, each.object_name) for each in plan.secrets}
        there |= {(each.namespace, each.object_name) for each in plan.registries}

    wanted = {
        (manifest["metadata"]["namespace"], name)
        for kind, manifest in objects
        if kind in {"Deployment", "StatefulSet"}
        for name in secret_names(pods(manifest))
    }

    assert {(place, name) for place, name in wanted - there if name not in given_names} == set()


def secret_names(pod: dict[str, Any]) -> Iterator[str]:
    """Secrets that a pod refers to."""
    yield from (login["name"] for login in pod.get("imagePullSecrets", ()))
    for container in (*pod.get("initContainers", ()), *pod["containers"]):
        for variable in container.get("env", ()):
            if "secretKeyRef" in variable.get("valueFrom", {}):
                yield variable["valueFrom"]["secretKeyRef"]["name"]
    yield from (volume["secret"]["secretName"] for volume in pod.get("volumes", ()) if "secret" in volume)


@law
@given(values=projects(), stack=stacks())
def test_worker_and_model_listen_on_two_ports(values: Values, stack: Stack) -> None:
    """They share one network namespace; all probes ask the worker."""
    for endpoint in planned(values, stack).endpoints:
        model = pods(replicas.deployment(endpoint))["containers"][0]

        probed = {
            model[probe]["httpGet"]["port"] for probe in ("livenessProbe", "readinessProbe", "startupProbe")
        }

        assert probed == {endpoint.worker_port}
        assert endpoint.worker_port != endpoint.record.port


@law
@given(values=projects(), stack=stacks(), data=st.data())
def test_plan_of_some_endpoints_is_part_of_the_plan(
    values: Values, stack: Stack, data: st.DataObject
) -> None:
    """An endpoint's objects do not depend on the others; only its hardware's counts do."""
    kept = data.draw(st.sampled_from(values["endpoints"]))

    whole = {repr(each) for each in every_object(planned(values, stack))}
    part = {repr(each) for each in every_object(planned({**values, "endpoints": [kept]}, stack))}

    assert part - whole == set()


@law
@given(values=projects(), stack=stacks(), data=st.data())
def test_order_of_the_file_does_not_matter(values: Values, stack: Stack, data: st.DataObject) -> None:
    """Nor does a second look: same in, same out."""
    shuffled = {**values, "endpoints": data.draw(st.permutations(values["endpoints"]))}

    assert repr(planned(shuffled, stack)) == repr(planned(values, stack))


@law
@given(values=projects(), stack=stacks())
def test_every_image_that_runs_is_built_or_given(values: Values, stack: Stack) -> None:
    """Each reference is a right one, and each folder has an image of its own."""
    plan = planned(values, stack)
    built = {image.reference: image.folder for image in plan.images}
    folders = {each["name"]: each["python"] for each in values["endpoints"] if "python" in each}

    for endpoint in plan.endpoints:
        assert IMAGE.fullmatch(endpoint.image)
        if endpoint.name in folders and stack.images.build:
            assert built[endpoint.image] == folders[endpoint.name]
    assert plan.images == plan_images(specs_of(values), stack)


@pytest.mark.parametrize("hosts", ["wildcard", "each"])
@law
@given(values=projects(), stack=stacks())
def test_private_endpoint_is_behind_no_public_port(values: Values, stack: Stack, hosts: Any) -> None:
    """Of the public class only the public port is asked, and no private endpoint has a host there."""
    ingress = stack.ingress.model_copy(update={"hosts": hosts})
    plan: Plan = planned(values, stack.model_copy(update={"ingress": ingress}))
    private = {each["name"] for each in values["endpoints"] if each["ingress"] == "private"}

    for each in plan.ingresses:
        if each.port == 8484:
            assert each.endpoint not in private
        else:
            assert each.endpoint is None or each.endpoint in private


def test_plan_is_complete_without_endpoints() -> None:
    """A stack of nothing but the platform."""
    stack = Stack(backend="kubernetes", domain="a.example")

    plan = planned({"account": "acme", "endpoints": []}, stack)

    assert (plan.endpoints, plan.node_groups, plan.ingresses, plan.secrets) == ((), (), (), ())
    assert [token.name for token in plan.tokens] == ["owner"]
    assert replace(plan, stack="other") != plan
