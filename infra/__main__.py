"""The program: read, load, plan, build, export. `pulumi up` runs it, and `infra.record` without an engine."""

from collections.abc import Mapping
from pathlib import Path

import pulumi
from pulumi import Output, ResourceOptions

from components.addons import Addons
from components.cluster import cluster_provider
from components.endpoint_ingress import EndpointIngress
from components.gateway import Gateway
from components.gpu_node_group import GpuNodeGroup
from components.images import Images
from components.inference_service import InferenceService, InferenceServiceArgs
from components.namespaces import Namespaces
from components.platform_api import PlatformApi
from components.queue_scaler import QueueScaler
from components.registry_credentials import RegistryCredentials
from components.request_queue import RequestQueue
from components.secret_store import SecretStore
from infra.cluster import Cluster, Seen
from infra.plan.fit import used_secrets
from infra.plan.planner import plan_platform
from infra.plan.values import Plan, Specs
from infra.project import check_fit, read_specs
from infra.settings import read_secrets, read_settings
from infra.spec.errors import SpecError


def main(root: Path, cluster: Cluster) -> tuple[Specs, Plan]:
    """Turn a project's endpoints.yaml into a running platform; what was read and planned comes back."""
    config, stack = pulumi.Config(), pulumi.get_stack()
    try:
        settings = read_settings(config, stack)
        specs = read_specs(root)
        values = read_secrets(config, used_secrets(specs.spec))
        check_fit(root, specs, settings, frozenset(values))
    except SpecError as error:
        raise pulumi.RunError(str(error)) from None  # shown without a traceback
    plan = plan_platform(specs, settings, stack)
    build(plan, values, cluster)
    return specs, plan


def build(plan: Plan, values: Mapping[str, Output[str]], cluster: Cluster) -> None:
    """Make every resource of a plan."""
    provider = cluster_provider(plan.context)
    inside = ResourceOptions(providers=[provider])
    if plan.addons:
        Addons("addons", plan.addons, inside)
    if plan.images:
        Images("images", plan.images, "..")
    guarded = plan.is_protected
    namespaces = Namespaces("namespaces", plan.namespaces, plan.network, is_protected=guarded, opts=inside)
    inside = ResourceOptions(providers=[provider], depends_on=[namespaces])
    queue = RequestQueue("queue", plan.queue, is_protected=guarded, opts=inside)
    gateway = Gateway("gateway", plan, queue.address_hash, inside)
    PlatformApi("api", plan, queue.address_hash, inside)
    scaler = QueueScaler("scaler", plan, queue.address_hash, inside)
    store = SecretStore("secrets", plan, values, inside)
    RegistryCredentials("registries", plan, values, inside)
    for group in plan.node_groups:
        GpuNodeGroup(group.name, group, cluster.count_nodes(plan.context, group.selector))
    for ingress in plan.ingresses:
        EndpointIngress(ingress.name, ingress, plan.gateway.namespace, inside)
    # So the scaler is still there to work off what waits when an endpoint goes.
    inside = ResourceOptions(providers=[provider], depends_on=[namespaces, scaler])
    drained = cluster.drain_hook(plan.context, plan.gateway.namespace)
    for endpoint in plan.endpoints:
        args = InferenceServiceArgs(endpoint, plan.queue, queue.worker_key, store.hash_of(endpoint), drained)
        InferenceService(endpoint.name, args, inside)
    pulumi.export("urls", {endpoint.name: endpoint.url for endpoint in plan.endpoints})
    pulumi.export("tokens", {name: Output.secret(token) for name, token in gateway.tokens.items()})


if __name__ == "__main__":
    main(Path(__file__).parent.parent, Seen())
