"""One endpoint in the cluster: from its spec to all that its manifests say."""

import hashlib
from collections.abc import Mapping

from infra.plan.images import endpoint_image, runtime_image
from infra.plan.ingresses import host_of
from infra.plan.quantities import size_of
from infra.plan.records import REVISION_DIGITS, endpoint_record, revision_of
from infra.plan.secrets import namespace_of, object_store, registry_object, secret_object
from infra.plan.values import EndpointPlan, NodeGroupPlan, SecretEnv, Specs, VolumePlan
from infra.spec.model import Endpoint
from infra.spec.stack import Stack
from runtime.wire.cluster import WORKER_PORTS
from runtime.wire.names import record_name, short
from runtime.wire.records import EndpointRecord, ImageSource

RUNNER = ("python", "-m", "runtime.replica")
STOP_SECONDS = 60
"""What a pod may take beyond its running request: the model's own end, then the worker's."""
NODE_SECONDS = 900
"""What the coming of a node may add to a start."""
WORKER_HEADROOM = 10
DEFAULT_MOUNT = "/octoai"
"""Volumes without a path lie below it; so `cache` is where OctoAI's own containers expect it."""


def plan_endpoints(
    specs: Specs, stack: Stack, groups: Mapping[str, NodeGroupPlan]
) -> tuple[EndpointPlan, ...]:
    """Every endpoint, sorted by name."""
    ordered = sorted(specs.spec.endpoints, key=lambda endpoint: endpoint.name)
    return tuple(_endpoint(endpoint, specs, stack, groups[endpoint.hardware]) for endpoint in ordered)


def _endpoint(endpoint: Endpoint, specs: Specs, stack: Stack, nodes: NodeGroupPlan) -> EndpointPlan:
    host = host_of(endpoint, specs.spec, stack)
    return EndpointPlan(
        name=endpoint.name,
        namespace=namespace_of(endpoint, stack),
        record=_record(endpoint, specs, stack, nodes),
        record_name=record_name(endpoint.name),
        host=host,
        url=f"{stack.scheme}://{host}",
        image=endpoint_image(endpoint, specs, stack),
        arguments=_arguments(endpoint),
        pull_secrets=_pull_secrets(endpoint, stack),
        secret_env=tuple(
            SecretEnv(variable, secret, secret_object(secret))
            for variable, secret in sorted(endpoint.secrets.items())
        ),
        size=nodes.size,
        gpus=nodes.gpus,
        nodes=nodes,
        worker_size=size_of(stack.worker.cpu, stack.worker.memory, WORKER_HEADROOM),
        worker_image=runtime_image(specs, stack),
        worker_port=WORKER_PORTS[1] if endpoint.port == WORKER_PORTS[0] else WORKER_PORTS[0],
        worker_secret=short(f"queue-{endpoint.name}"),
        objects=object_store(stack),
        objects_secret=stack.objects.secret if stack.objects else None,
        gateway_namespace=stack.namespace,
        grace_seconds=endpoint.limits.request_seconds + STOP_SECONDS,
        progress_seconds=endpoint.limits.start_seconds + NODE_SECONDS,
        max_surge=1 if endpoint.rollout == "surge" else 0,
        max_unavailable=0 if endpoint.rollout == "surge" else 1,
        volumes=_volumes(endpoint, stack),
        is_restricted=endpoint.security == "restricted",
        egress=endpoint.egress,
        is_scaled_by_keda=stack.scaler == "keda",
    )


def _arguments(endpoint: Endpoint) -> tuple[str, ...]:
    """The command line of a `python:` endpoint: on its port, and on loopback, for only its worker calls it."""
    if endpoint.python is None or endpoint.image is not None:
        return ()
    return (*RUNNER, "--folder", "/service", "--host", "127.0.0.1", "--port", str(endpoint.port))


def _record(endpoint: Endpoint, specs: Specs, stack: Stack, nodes: NodeGroupPlan) -> EndpointRecord:
    """What gateway and scaler are told; its revision covers the images and the nodes as well."""
    image = endpoint_image(endpoint, specs, stack)
    local = revision_of(endpoint, specs.spec.registries, specs.contents)
    # Not the group's counts: another endpoint's replicas are none of this one's business.
    placed = (nodes.selector, nodes.tolerations, nodes.runtime_class, nodes.size, nodes.gpus)
    made_from = f"{local} {image} {runtime_image(specs, stack)} {placed!r}"
    return endpoint_record(
        endpoint,
        ImageSource(image=image),
        hashlib.sha256(made_from.encode()).hexdigest()[:REVISION_DIGITS],
    )


def _pull_secrets(endpoint: Endpoint, stack: Stack) -> tuple[str, ...]:
    """Of the endpoint's own image, and of the worker's."""
    own = {registry_object(endpoint.registry)} if endpoint.registry is not None else set()
    platform = {stack.images.pull_secret} if stack.images.pull_secret else set()
    return tuple(sorted(own | platform))


def _roams(stack: Stack) -> bool:
    """Whether a replica's next node may be in another zone than its disk, where the disk could not follow.

    Cluster Autoscaler starts a group that spans zones in any of them (kubernetes/autoscaler#1431, #3845).
    """
    return stack.aws is not None and stack.aws.capacity.autoscaler == "cluster-autoscaler"


def _volumes(endpoint: Endpoint, stack: Stack) -> tuple[VolumePlan, ...]:
    is_shared = endpoint.replicas.max > 1 or _roams(stack)
    storage_class = stack.storage.shared_class if is_shared else stack.storage.disk_class
    return tuple(
        VolumePlan(
            name=short(f"{endpoint.name}.{name}"),  # with a hyphen `a-b` and `c` would be `a` and `b-c`
            volume=name,
            gib=volume.size,
            path=volume.path or f"{DEFAULT_MOUNT}/{name}",
            is_shared=is_shared,
            storage_class=storage_class,
        )
        for name, volume in sorted(endpoint.volumes.items())
    )
