"""Queue, database, buckets, disks and images of an account, and who reaches them."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
from redis import Redis
from support.aws_scope import scope_for
from support.polling import until
from support.valkey_server import ValkeyServer

from infra.plan.aws.buckets import OBJECT_DAYS, plan_buckets
from infra.plan.aws.cache import (
    CHANNEL,
    MOST_USERS,
    WORKER_COMMANDS,
    cache_findings,
    cache_users,
    plan_cache,
    worker_login,
)
from infra.plan.aws.database import plan_database
from infra.plan.aws.fitting import image_registry
from infra.plan.aws.image_registry import LONGEST_PREFIX, plan_image_registry, pull_cache_statement
from infra.plan.aws.shared_cache import plan_disk_class, plan_file_system
from infra.plan.aws.stores import managed_services, stores_roles
from infra.plan.digests import MANAGED_QUEUE, queue_secret, worker_access
from infra.plan.manifests.namespaces import policies
from infra.plan.manifests.queue import USERS
from infra.plan.values import NamespacePlan, NetworkPlan, QueuePlan, Size
from infra.spec.model import Spec
from runtime.objects.port import LIFE_SECONDS, answer_name, body_name
from runtime.queue import moves
from runtime.queue.port import Answer, Bounds, NewRequest, QueueUnavailableError, ReplicaState
from runtime.queue.valkey import ValkeyQueue, is_cluster
from runtime.scaler.rights import worker_rights
from runtime.wire import AnswerHead, RequestHead, new_request_id
from runtime.wire.queue_users import worker_user

KEY = "master"
QUEUE: dict[str, object] = {"node_type": "cache.m7g.large"}
DATABASE: dict[str, object] = {"instance_class": "db.t4g.medium"}
USER_ID = re.compile(r"[a-z](?:-?[a-z0-9]+)*")
NETWORK = NetworkPlan(
    platform="moorage",
    endpoint_namespaces=("moorage-baseline", "moorage-restricted"),
    private_cidrs=("10.0.0.0/8",),
    scraper_namespace="monitoring",
    keda_namespace=None,
)
PLATFORM = NamespacePlan("moorage", "restricted", is_platform=True)
REPLICAS = NamespacePlan("moorage-baseline", "baseline", is_platform=False)


def spec_of(count: int) -> Spec:
    """So many endpoints."""
    endpoints = tuple({"name": f"e{number}", "image": "a/b:1"} for number in range(count))
    return Spec.model_validate({"account": "acme", "endpoints": endpoints})


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[ValkeyServer]:
    """A Valkey in cluster mode with the users of the plan, made as ElastiCache makes them."""
    scope, _ = scope_for()
    with ValkeyServer(tmp_path, cluster=True) as server:
        with Redis(port=server.port) as admin:
            for user in cache_users(scope, ("embed", "ocr")):
                password = worker_login(KEY, user.endpoint) if user.endpoint else user.name
                if user.name != "default":  # by whom this test itself comes in
                    admin.execute_command(
                        "ACL SETUSER", user.name, "reset", f">{password}", *user.access.split()
                    )
        yield server


@asynccontextmanager
async def queue_of(server: ValkeyServer, user: str, password: str) -> AsyncIterator[ValkeyQueue]:
    """The queue as a user sees it."""
    queue = ValkeyQueue.connect(f"valkey+cluster://{user}:{password}@127.0.0.1:{server.port}")
    try:
        yield queue
    finally:
        await queue.close()


@pytest.mark.slow
async def test_worker_does_all_its_moves_on_a_cluster(cluster: ValkeyServer) -> None:
    """With the rights that its user of the plan has."""
    request = NewRequest(new_request_id("embed"), RequestHead("POST", "/", ()), b"body", 600)
    async with (
        queue_of(cluster, "gateway", "gateway") as gateway,
        queue_of(cluster, worker_user("embed"), worker_login(KEY, "embed")) as worker,
    ):
        await gateway.enqueue(request, Bounds(10, 1 << 20))
        await worker.join("embed", "a", "1")
        await worker.beat("embed", "a", ReplicaState.READY)
        await worker.wait_for_work("embed", 0.1)
        taken = await worker.take("embed", "a", 15)
        assert taken is not None
        await worker.renew("embed", taken.id, taken.attempt, 15)
        await worker.finish("embed", taken.id, taken.attempt, Answer(AnswerHead(200, ()), b"done"))
        await worker.ping()
        await worker.leave("embed", "a")
        view = await gateway.look("embed")

    assert (view.waiting, view.running, view.replicas) == (0, 0, ())


@pytest.mark.slow
async def test_worker_reaches_no_other_endpoint_on_a_cluster(cluster: ValkeyServer) -> None:
    """Its keys are another's."""
    async with queue_of(cluster, worker_user("embed"), worker_login(KEY, "embed")) as worker:
        with pytest.raises(QueueUnavailableError, match=r"(?i)permission"):
            await worker.join("ocr", "a", "1")


async def _first(demands: AsyncIterator[str]) -> str:
    async with asyncio.timeout(10):
        return await anext(demands)


@pytest.mark.slow
async def test_scaler_hears_of_demand_on_a_cluster(cluster: ValkeyServer) -> None:
    """Whichever node the endpoint is on."""
    request = NewRequest(new_request_id("embed"), RequestHead("POST", "/", ()), b"", 600)
    async with (
        queue_of(cluster, "gateway", "gateway") as gateway,
        queue_of(cluster, "scaler", "scaler") as scaler,
        asyncio.TaskGroup() as group,
    ):
        heard = group.create_task(_first(scaler.demands()))
        with Redis(port=cluster.port) as admin:
            await until(lambda: bool(dict(admin.pubsub_numsub(CHANNEL))[CHANNEL.encode()]))
        await gateway.enqueue(request, Bounds(10, 1 << 20))

    assert heard.result() == "embed"


def test_workers_have_the_rights_that_the_scaler_would_give_them() -> None:
    """Keys, channel and commands; a client of a cluster asks besides where its keys are."""
    scope, _ = scope_for()
    user = next(each for each in cache_users(scope, ("embed",)) if each.endpoint)
    rules = set(user.access.split())

    own = {rule for rule in worker_rights(KEY, "embed") if rule[0] in "~&+"}
    assert own <= rules
    assert rules - own == {"on", "resetchannels", "-@all", "+cluster|slots", "+command"}
    assert {f"+{command}" for command in WORKER_COMMANDS} <= own
    assert CHANNEL == moves.CHANNEL


def test_users_are_named_as_elasticache_takes_them() -> None:
    """And unlike those of any other stack in the account."""
    names = ("a--b", "x" * 63, "x" * 62 + "y", "b")
    ids = [
        user.user_id
        for stack in ("dev", "dev-worker")
        for user in cache_users(scope_for(name=stack)[0], names)
    ]

    assert len(set(ids)) == len(ids)
    assert all(len(each) <= 40 and USER_ID.fullmatch(each) for each in ids)


def test_nobody_comes_in_without_a_name() -> None:
    """Valkey takes such a client for `default`."""
    users = {user.name: user for user in cache_users(scope_for()[0], ("embed",))}

    assert sorted(users) == ["api", "default", "gateway", "scaler", "worker-embed"]
    assert users["default"].access.split()[0] == "off"


def test_access_names_no_command_that_elasticache_refuses() -> None:
    """A rule that names one is refused with it, and so is `reset`."""
    for user in cache_users(scope_for()[0], ("embed",)):
        words = user.access.split()
        assert not [word for word in words if re.match(r"[+-](?:acl|config|save|debug)", word)]
        assert "reset" not in words
        assert not [word for word in words if word.startswith((">", "#", "nopass"))]


def test_queue_that_is_a_pod_is_not_planned() -> None:
    """Nor is a database that the API keeps itself."""
    scope, aws = scope_for()

    assert plan_cache(scope, aws, ("embed",)) is None
    assert plan_database(scope, aws) is None
    assert managed_services(aws) == ()


def test_queue_evicts_nothing() -> None:
    """An accepted request is not lost for want of memory."""
    plan = plan_cache(*scope_for(queue=QUEUE), ("embed",))

    assert plan is not None
    assert dict(plan.parameters)["maxmemory-policy"] == "noeviction"


@pytest.mark.parametrize(("count", "faults"), [(MOST_USERS - 4, 0), (MOST_USERS - 3, 1)])
def test_more_endpoints_than_a_user_group_holds_are_a_fault(count: int, faults: int) -> None:
    """Named before anything is made."""
    scope, aws = scope_for(queue=QUEUE)
    spec = spec_of(count)

    found = list(cache_findings(spec, aws))

    assert len(found) == faults
    users = cache_users(scope, tuple(endpoint.name for endpoint in spec.endpoints))
    assert (len(users) > MOST_USERS) is bool(faults)


def test_addresses_of_a_managed_queue_ask_for_tls_and_a_cluster() -> None:
    """A server of the stack's own finds its users in the same Secret; a managed one has them."""
    passwords = {user: f"pw-{user}" for user, _ in USERS}

    content = queue_secret(passwords, KEY, "cache.example:6379", MANAGED_QUEUE)

    assert content["gateway-url"] == "valkeys+cluster://gateway:pw-gateway@cache.example:6379"
    assert is_cluster(content["scaler-url"])
    assert sorted(content) == ["api-url", "gateway-url", "scaler-url", "worker-key"]


def test_worker_logs_in_with_what_the_cache_was_told() -> None:
    """Both sides work the password out of the one key."""
    plan = QueuePlan("moorage", "valkey", Size(1, 1, 1), 1, 1, None, "always", "queue.moorage.svc:6379")

    managed = worker_access(KEY, "embed", "cache.example:6379", MANAGED_QUEUE)["queue-url"]

    assert f"worker-embed:{worker_login(KEY, 'embed')}@cache.example:6379" in managed
    own = worker_access(KEY, "embed", plan.address)["queue-url"]
    assert own == f"valkey://worker-embed:{worker_login(KEY, 'embed')}@{plan.address}"


def test_database_that_is_protected_leaves_a_snapshot() -> None:
    """One that is not leaves nothing behind."""
    protected = plan_database(*scope_for(database=DATABASE))
    free = plan_database(*scope_for(database=DATABASE, protect=False))

    assert protected is not None
    assert free is not None
    assert (protected.final_snapshot, free.final_snapshot) == ("moorage-prod-database-final", None)
    assert dict(protected.parameters)["rds.force_ssl"] == "1"
    # RDS takes `1` of no family from 18 on.
    assert dict(protected.parameters)["log_connections"] == "all"


def test_objects_outlive_every_request_that_names_them() -> None:
    """Also one that is let run again on its last day."""
    assert max(LIFE_SECONDS.values()) < OBJECT_DAYS * 86_400


def test_buckets_are_made_as_settings_ask_and_closed_to_all_but_tls() -> None:
    """Only the load balancers' logs do without the stack's key: they cannot write with it."""
    buckets = plan_buckets(*scope_for(cold_start={"weights_bucket": True}, ingress={"access_log_days": 30}))

    assert [bucket.role for bucket in plan_buckets(*scope_for())] == ["objects"]
    assert {bucket.role: bucket.encryption for bucket in buckets} == {
        "logs": "AES256",
        "objects": "aws:kms",
        "weights": "aws:kms",
    }
    assert {bucket.role: bucket.days for bucket in buckets} == {"logs": 30, "objects": 9, "weights": None}
    for bucket in buckets:
        denied = next(each for each in bucket.policy["Statement"] if each["Effect"] == "Deny")
        assert denied["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
        assert denied["Resource"] == [f"arn:aws:s3:::{bucket.bucket}", f"arn:aws:s3:::{bucket.bucket}/*"]


@pytest.mark.parametrize(
    ("role", "action", "is_body", "is_allowed"),
    [
        ("gateway", "s3:PutObject", True, True),
        ("gateway", "s3:PutObject", False, False),
        ("gateway", "s3:GetObject", False, True),
        ("gateway", "s3:DeleteObject", True, True),
        ("api", "s3:GetObject", False, True),
        ("api", "s3:PutObject", True, False),
        ("api", "s3:DeleteObject", True, True),
        ("replica", "s3:GetObject", True, True),
        ("replica", "s3:GetObject", False, False),
        ("replica", "s3:PutObject", False, True),
        ("replica", "s3:PutObject", True, False),
        ("replica", "s3:DeleteObject", False, False),
    ],
)
def test_pods_do_with_objects_what_their_programs_do(
    role: str, action: str, *, is_body: bool, is_allowed: bool
) -> None:
    """A worker reads bodies and writes answers; a gateway does it the other way round."""
    request = new_request_id("embed")
    name = body_name(request) if is_body else answer_name(request, 2)
    plan = next(each for each in stores_roles(*scope_for()) if each.name == role)

    arn = f"arn:aws:s3:::moorage-prod-objects-123456789012/{name}"
    granted = [
        resource
        for statement in plan.statements
        if action in statement.actions
        for resource in statement.resources
    ]
    assert any(fnmatchcase(arn, resource) for resource in granted) is is_allowed


def test_models_can_list_weights_but_no_objects() -> None:
    """Pod Identity serves the whole pod: a model that could list would find other endpoints' objects."""
    roles = stores_roles(*scope_for(cold_start={"weights_bucket": True}))
    replica = next(role for role in roles if role.name == "replica")

    listed = [each.resources for each in replica.statements if "s3:ListBucket" in each.actions]

    assert listed == [("arn:aws:s3:::moorage-prod-weights-123456789012",)]
    assert [each.namespace for each in replica.service_accounts] == list(NETWORK.endpoint_namespaces)


def test_key_is_used_through_the_bucket_only() -> None:
    """No pod decrypts anything by itself."""
    for role in stores_roles(*scope_for(database=DATABASE)):
        for statement in role.statements:
            if statement.actions[0].startswith("kms:"):
                bound = statement.conditions["StringEquals"]
                assert bound["kms:ViaService"] == "s3.eu-central-1.amazonaws.com"
                assert "kms:EncryptionContext:aws:s3:arn" in bound


def test_policies_change_only_where_a_service_is_managed() -> None:
    """Clusters elsewhere have none of it."""
    _, aws = scope_for(queue=QUEUE, database=DATABASE)
    managed = replace(NETWORK, managed=managed_services(aws), identity_agent=True)

    def reached(plan: NamespacePlan, network: NetworkPlan, name: str) -> list[tuple[str, int]]:
        egress = policies(plan, network)[name]["spec"].get("egress", [])
        return sorted(
            (peer["ipBlock"]["cidr"], rule["ports"][0]["port"])
            for rule in egress
            for peer in rule.get("to", [])
            if "ipBlock" in peer
        )

    cache, database = ("10.64.0.0/16", 6379), ("10.64.0.0/16", 5432)
    agent = ("169.254.170.23/32", 80)
    assert reached(PLATFORM, managed, "gateway") == [cache, agent]
    assert reached(PLATFORM, managed, "api") == [database, cache, agent]
    assert reached(PLATFORM, managed, "scaler") == [cache]
    assert reached(REPLICAS, managed, "replica") == [cache, agent]
    assert all(not reached(PLATFORM, NETWORK, name) for name in ("gateway", "api", "scaler"))
    assert policies(REPLICAS, managed)["replica-internet"] == policies(REPLICAS, NETWORK)["replica-internet"]


def test_existing_network_is_reached_in_its_own_range() -> None:
    """Its addresses are whatever they are."""
    existing = {
        "vpc": "vpc-0123456789abcdef0",
        "cidr": "172.20.0.0/16",
        "private_subnets": ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"],
    }
    _, aws = scope_for(queue=QUEUE, network={"existing": existing})

    assert [service.cidrs for service in managed_services(aws)] == [("172.20.0.0/16",)]


def test_shared_file_system_is_planned_where_it_is_needed() -> None:
    """It is mounted through an access point only."""
    scope, _ = scope_for()
    plan = plan_file_system(scope, needs_efs=True)

    assert plan_file_system(scope, needs_efs=False) is None
    assert plan is not None
    allowed = next(each for each in plan.policy["Statement"] if each["Effect"] == "Allow")
    assert "elasticfilesystem:ClientRootAccess" not in allowed["Action"]
    assert "elasticfilesystem:AccessPointArn" in allowed["Condition"]["ArnLike"]


def test_disks_are_encrypted_and_carry_the_stack_s_tags() -> None:
    """Whoever looks for a stack's costs finds them."""
    plan = plan_disk_class(scope_for()[0])

    assert plan.parameters["encrypted"] == "true"
    assert "moorage:stack=prod" in plan.parameters.values()


def test_repositories_are_those_of_the_stack_s_own_images() -> None:
    """Others' registries are others' affair; one image in two versions is one repository."""
    scope, _ = scope_for()
    own = image_registry(scope)
    references = (
        f"{own}/moorage-runtime:0123",
        f"{own}/moorage-code-a:1",
        f"{own}/moorage-code-a:2",
        f"{own}/moorage-pinned@sha256:{'0' * 64}",
        "ghcr.io/acme/embed:1",
    )

    plan = plan_image_registry(scope, references)

    assert [each.repository for each in plan.repositories] == [
        "moorage-prod/moorage-code-a",
        "moorage-prod/moorage-pinned",
        "moorage-prod/moorage-runtime",
    ]
    rules = json.loads(plan.repositories[0].lifecycle)["rules"]
    assert [(rule["selection"]["tagStatus"], rule["selection"]["countNumber"]) for rule in rules] == [
        ("untagged", 7),
        ("any", 50),
    ]


@pytest.mark.parametrize("name", ["dev", "a-stack-with-a-very-long-name-indeed"])
def test_caches_are_named_for_their_stack(name: str) -> None:
    """Nodes may fill them and nothing beside them."""
    scope, _ = scope_for(name=name)
    caches = plan_image_registry(scope, ()).caches

    assert {cache.upstream for cache in caches} == {"public.ecr.aws", "quay.io", "registry.k8s.io"}
    assert all(2 <= len(cache.prefix) <= LONGEST_PREFIX for cache in caches)
    assert pull_cache_statement(scope).resources == tuple(
        f"arn:aws:ecr:eu-central-1:123456789012:repository/{cache.prefix}/*" for cache in caches
    )
