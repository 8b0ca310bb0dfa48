"""Makes every resource of a plan: on a cluster that is there, or in an account with all that a cluster needs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
from pulumi import Output, ProviderResource, Resource, ResourceOptions

from components.addons import Addons
from components.cluster import cluster_provider
from components.database_access import DatabaseAccess
from components.endpoint_ingress import EndpointIngress
from components.gateway import Gateway
from components.gpu_node_group import GpuNodeGroup
from components.images import Images
from components.inference_service import InferenceService, InferenceServiceArgs
from components.namespaces import Namespaces
from components.platform_api import PlatformApi
from components.queue_access import QueueAccess
from components.queue_scaler import QueueScaler
from components.registry_credentials import RegistryCredentials
from components.request_queue import RequestQueue
from components.secret_store import SecretStore
from infra.cluster import Cluster
from infra.plan.aws.planner import AwsPlan
from infra.plan.values import Plan

Values = Mapping[str, Output[str]]
"""Those of the stack's secrets, by name."""


@dataclass(frozen=True, slots=True)
class Ground:
    """What the platform stands on."""

    provider: ProviderResource
    """Of the cluster."""
    kubeconfig: Output[str] | None
    """Of a cluster that the program makes."""
    namespaces: Namespaces
    queue: QueueAccess
    database: DatabaseAccess | None
    """None where the platform API has no managed one."""
    images: Sequence[Resource]
    """What pods run: a rollout to an image that is not pushed, or not built after all, stands still."""
    operators: Sequence[Resource]
    """What serves the kinds of others, ExternalSecrets and ScaledObjects: such an object is made after it, and goes
    before it, for it takes its own finalizer off."""


def build(plan: Plan, values: Values, cluster: Cluster) -> None:
    """Make all of it, and export where it is reached."""
    ground = _on_cluster(plan) if plan.aws is None else _in_account(plan, plan.aws, values)
    inside = ResourceOptions(providers=[ground.provider], depends_on=[ground.namespaces])
    before = [ground.namespaces, *ground.images]
    queued = ResourceOptions(providers=[ground.provider], depends_on=[*before, *ground.queue.made])
    gateway = Gateway("gateway", plan, ground.queue.address_hash, queued)
    stored = [*before, *ground.queue.made, *(ground.database.made if ground.database else ())]
    keeping = ResourceOptions(providers=[ground.provider], depends_on=stored)
    PlatformApi("api", plan, ground.queue.address_hash, ground.database, keeping)
    scaler = QueueScaler("scaler", plan, ground.queue.address_hash, queued)
    served = ResourceOptions(providers=[ground.provider], depends_on=[ground.namespaces, *ground.operators])
    store = SecretStore("secrets", plan, values, served)
    RegistryCredentials("registries", plan, values, served)
    for group in plan.node_groups:
        # Nodes that come on demand need not be there yet.
        found = cluster.count_nodes(plan.context, group.selector) if plan.aws is None else None
        GpuNodeGroup(group.name, group, found)
    for ingress in plan.ingresses:
        EndpointIngress(ingress.name, ingress, plan.gateway.namespace, inside)
    # So the scaler is still there to work off what waits when an endpoint goes.
    after = ResourceOptions(providers=[ground.provider], depends_on=[*before, *ground.operators, scaler])
    drained = cluster.drain_hook(plan.context, ground.kubeconfig, plan.gateway.namespace)
    for endpoint in plan.endpoints:
        args = InferenceServiceArgs(endpoint, ground.queue, store.hash_of(endpoint), drained)
        InferenceService(endpoint.name, args, after)
    pulumi.export("urls", {endpoint.name: endpoint.url for endpoint in plan.endpoints})
    pulumi.export("tokens", {name: Output.secret(token) for name, token in gateway.tokens.items()})


def _on_cluster(plan: Plan) -> Ground:
    """A cluster that is there, as the kubeconfig knows it."""
    provider = cluster_provider(plan.context)
    inside = ResourceOptions(providers=[provider])
    addons = [Addons("addons", plan.addons, {}, inside)] if plan.addons else []
    images = [Images("images", plan.images, "..")] if plan.images else []
    namespaces = _namespaces(plan, inside)
    return Ground(provider, None, namespaces, _own_queue(plan, provider, namespaces), None, images, addons)


def _in_account(plan: Plan, aws: AwsPlan, values: Values) -> Ground:
    """An account in which the cluster is made too, or bound to one that is there."""
    # Imported here: no other backend needs the hundreds of modules.
    from components.aws.sdk import import_modules_alone  # noqa: PLC0415

    import_modules_alone()
    from components.aws.account import Account, account_provider  # noqa: PLC0415
    from components.aws.cluster_services import ClusterServices  # noqa: PLC0415

    at_aws = account_provider(aws.scope)
    account = Account(aws, at_aws)
    ready = ResourceOptions(depends_on=account.ready)
    provider = cluster_provider(plan.context, account.kubeconfig, ready)
    inside = ResourceOptions(providers=[provider])
    addons: list[Resource] = []
    if plan.addons:
        addons = [Addons("addons", plan.addons, account.values_of_addons(), inside)]
    images = [Images("images", plan.images, "..", account.repositories)] if plan.images else []
    namespaces = _namespaces(plan, inside)
    services = ClusterServices(
        account, values, addons=addons, namespaces=namespaces, providers=[at_aws, provider]
    )
    if services.name_servers is not None:
        pulumi.export("name_servers", services.name_servers)
    # By the vault the new value stands in Secrets Manager before its ExternalSecret is told to look.
    operators: list[Resource] = [*addons, services.vault]
    database = account.database
    return Ground(
        provider,
        account.kubeconfig,
        namespaces,
        services.queue or _own_queue(plan, provider, namespaces),
        DatabaseAccess(database.endpoint, database.secret_arn, [database, *operators]) if database else None,
        images,
        operators,
    )


def _namespaces(plan: Plan, opts: ResourceOptions) -> Namespaces:
    return Namespaces("namespaces", plan.namespaces, plan.network, is_protected=plan.is_protected, opts=opts)


def _own_queue(plan: Plan, provider: ProviderResource, namespaces: Namespaces) -> QueueAccess:
    """A server in a pod."""
    inside = ResourceOptions(providers=[provider], depends_on=[namespaces])
    queue = RequestQueue("queue", plan.queue, is_protected=plan.is_protected, opts=inside)
    return QueueAccess(plan.queue.address, queue.worker_key, queue.address_hash)
