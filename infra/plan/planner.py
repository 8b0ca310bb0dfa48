"""Decides what a stack consists of: every name, size, threshold, label and count, the same each time."""

from infra.plan.addons import plan_addons
from infra.plan.aws.database import DatabasePlan
from infra.plan.aws.fitting import settled
from infra.plan.aws.planner import plan_aws
from infra.plan.aws.scope import scope_of
from infra.plan.aws.stores import managed_services
from infra.plan.aws.ways_in import READINESS_LABELS
from infra.plan.endpoints import plan_endpoints
from infra.plan.gpu_nodes import node_groups
from infra.plan.images import plan_images, runtime_image
from infra.plan.ingresses import LONGEST_HOLD_SECONDS, plan_ingresses
from infra.plan.quantities import size_of
from infra.plan.records import account_record
from infra.plan.remarks import plan_remarks
from infra.plan.secrets import object_store, plan_registries, plan_secrets, plan_tokens
from infra.plan.values import (
    ApiPlan,
    GatewayPlan,
    NamespacePlan,
    NetworkPlan,
    Plan,
    Postgres,
    QueuePlan,
    ScalerPlan,
    Size,
    Specs,
    SqliteDisk,
)
from infra.spec.stack import Stack
from runtime.wire.cluster import API_PORT, QUEUE_PORT

HEADROOM = 4
"""How much more CPU than is kept for it a pod of the platform may use."""
SCALER_SIZE = Size(cpu=250, cpu_limit=1000, memory_mib=512)


def plan_platform(specs: Specs, stack: Stack, name: str) -> Plan:
    """The plan of a stack.

    Args:
        specs: the project; it fits the stack (`infra.plan.fit`).
        stack: the stack's settings.
        name: of the stack.
    """
    spec, aws = specs.spec, stack.aws
    scope = None if aws is None else scope_of(stack, aws, name)
    if aws is not None and scope is not None:
        stack = settled(stack, scope, aws)
    image = runtime_image(specs, stack)
    groups = node_groups(spec.endpoints, stack.nodes)
    endpoints = plan_endpoints(specs, stack, {group.hardware: group for group in groups})
    account = (
        plan_aws(specs, stack, aws, scope, groups=groups, endpoints=endpoints) if aws and scope else None
    )
    return Plan(
        stack=name,
        account=account_record(spec),
        domain=stack.domain,
        context=stack.context,
        is_protected=stack.protect,
        holds_secrets=stack.secrets == "pulumi",
        secret_store=(stack.secret_store.kind, stack.secret_store.name) if stack.secret_store else None,
        pull_secrets=(stack.images.pull_secret,) if stack.images.pull_secret else (),
        namespaces=_namespaces(stack),
        network=_network(stack),
        queue=_queue(stack),
        gateway=_gateway(stack, image),
        api=_api(stack, image, account.database if account else None),
        scaler=ScalerPlan(
            namespace=stack.namespace,
            endpoint_namespaces=stack.endpoint_namespaces,
            image=image,
            size=SCALER_SIZE,
            replicas=2,
            mode=stack.scaler,
            keeps_queue_users=account is None or account.queue is None,
        ),
        tokens=plan_tokens(spec),
        secrets=plan_secrets(spec, stack),
        registries=plan_registries(spec, stack),
        images=plan_images(specs, stack),
        node_groups=groups,
        addons=plan_addons(stack.addons) if account is None else account.addons,
        ingresses=plan_ingresses(spec, stack),
        endpoints=endpoints,
        remarks=plan_remarks(spec, stack, groups, account.node_groups if account else ()),
        aws=account,
    )


def _namespaces(stack: Stack) -> tuple[NamespacePlan, ...]:
    baseline, restricted = stack.endpoint_namespaces
    labels = () if stack.aws is None else tuple(sorted(READINESS_LABELS.items()))
    return (
        NamespacePlan(stack.namespace, "restricted", is_platform=True, labels=labels),
        NamespacePlan(baseline, "baseline", is_platform=False),
        NamespacePlan(restricted, "restricted", is_platform=False),
    )


def _network(stack: Stack) -> NetworkPlan:
    return NetworkPlan(
        platform=stack.namespace,
        endpoint_namespaces=stack.endpoint_namespaces,
        private_cidrs=tuple(sorted(stack.network.private_cidrs)),
        scraper_namespace=stack.network.scraper_namespace,
        keda_namespace=stack.network.keda_namespace if stack.scaler == "keda" else None,
        managed=() if stack.aws is None else managed_services(stack.aws),
        identity_agent=stack.aws is not None,
    )


def _queue(stack: Stack) -> QueuePlan:
    size = size_of(stack.queue.cpu, stack.queue.memory, HEADROOM)
    return QueuePlan(
        namespace=stack.namespace,
        image=stack.queue.image,
        size=size,
        # The rest is for clients' buffers and for the copy while it rewrites its journal.
        memory_mib=size.memory_mib * 3 // 4,
        disk_gib=stack.queue.disk,
        storage_class=stack.storage.disk_class,
        fsync=stack.queue.fsync,
        address=f"queue.{stack.namespace}.svc:{QUEUE_PORT}",
    )


def _platform_environment(stack: Stack) -> tuple[tuple[str, str], ...]:
    """What gateway and platform API are both told."""
    return (
        ("MOORAGE_DOMAIN", stack.domain),
        ("MOORAGE_HOST", "0.0.0.0"),
        ("MOORAGE_NAMESPACE", stack.namespace),
        ("MOORAGE_OBJECTS", object_store(stack)),
        ("MOORAGE_PUBLIC_URL", f"{stack.scheme}://api.{stack.domain}"),
        ("MOORAGE_TOKENS", "/tokens/tokens.json"),
    )


def _gateway(stack: Stack, image: str) -> GatewayPlan:
    size = size_of(stack.gateway.cpu, stack.gateway.memory, HEADROOM)
    return GatewayPlan(
        namespace=stack.namespace,
        image=image,
        size=size,
        min=stack.gateway.min,
        max=stack.gateway.max,
        grace_seconds=LONGEST_HOLD_SECONDS,
        environment=(
            *_platform_environment(stack),
            ("MOORAGE_API_URL", f"http://api.{stack.namespace}.svc:{API_PORT}"),
            # The one ingress controller in front tells who calls; without it all callers would be one.
            ("MOORAGE_PROXIES", "1"),
            *_store_bound(stack),
        ),
        objects_secret=_objects_secret(stack),
        body_mib=size.memory_mib // 2,
    )


def _store_bound(stack: Stack) -> tuple[tuple[str, str], ...]:
    """Objects in the queue's own memory leave half of it to the requests; a bucket bounds itself."""
    return (
        () if stack.objects is not None else (("MOORAGE_MOST_STORE_MIB", str(_queue(stack).memory_mib // 2)),)
    )


def _api(stack: Stack, image: str, database: DatabasePlan | None) -> ApiPlan:
    sql = _sql(stack, database)
    return ApiPlan(
        namespace=stack.namespace,
        image=image,
        size=size_of(stack.api.cpu, stack.api.memory, HEADROOM),
        # SQLite takes the writes of one pod.
        replicas=1 if isinstance(sql, SqliteDisk) else 2,
        environment=_platform_environment(stack),
        objects_secret=_objects_secret(stack),
        sql=sql,
    )


def _sql(stack: Stack, database: DatabasePlan | None) -> SqliteDisk | Postgres | None:
    store = stack.secret_store
    if database is not None and store is not None:  # the AWS backend always has one
        return Postgres(user=database.user, database=database.database, store=(store.kind, store.name))
    if stack.api.disk is None:
        return None
    return SqliteDisk(gib=stack.api.disk, storage_class=stack.storage.disk_class)


def _objects_secret(stack: Stack) -> str | None:
    return stack.objects.secret if stack.objects is not None else None
