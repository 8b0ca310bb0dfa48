"""The managed queue: ElastiCache for Valkey in cluster mode, and everybody who may use it.

ElastiCache refuses the commands by which Valkey's users are kept, so each user is a resource of the plan: the
platform's own programs, one an endpoint for its workers, and a `default` that is switched off.

Sources, all read 2026-11-25: ElastiCache User Guide, "Durability: Limitations" (Valkey 9.0 or later, cluster mode,
Multi-AZ with a replica, TLS), "Restricted commands", "Role-Based Access Control (RBAC)", "Engine specific parameters";
ElastiCache API Reference, CreateUser and CreateReplicationGroup.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from infra.plan.aws.logs import LogGroupPlan, log_group
from infra.plan.aws.scope import Scope
from infra.plan.manifests.parts import Manifest, labels_of, metadata
from infra.plan.manifests.queue import ORDINARY, QUEUE, USERS
from infra.spec.model import Spec
from infra.spec.source import Finding
from infra.spec.stack_aws import Aws
from runtime.wire.cluster import QUEUE_PORT
from runtime.wire.queue_users import worker_password, worker_user

ENGINE_VERSION = "9.0"
FAMILY = "valkey9"
MOST_USERS = 100
"""Users of one user group. Source: MemoryDB Developer Guide, "Quotas for MemoryDB", which shares its users' form with
ElastiCache, 2026-11; ElastiCache's API names the fault (UserGroupQuotaExceeded) and not the figure."""
LOG_DAYS = 90
DEFAULT = "default"
"""Whom Valkey takes a client for that names no user."""
CHANNEL = "moorage:demand"
"""Where scripts name an endpoint that needs more replicas."""
LONGEST_ID = 40
"""Characters of an id in ElastiCache."""
DIGITS = 8
CLUSTER_COMMANDS = ("cluster|slots", "command")
"""How a client of a cluster learns which node holds what."""
WORKER_COMMANDS = (
    *(
        "append",
        "auth",
        "blpop",
        "client|setinfo",
        "client|setname",
        "del",
        "evalsha",
        "exists",
        "expire",
        "get",
    ),
    *("getrange", "hdel", "hello", "hget", "hincrby", "hmget", "hset", "llen", "lpush", "pexpire", "ping"),
    *(
        "publish",
        "quit",
        "reset",
        "script|load",
        "select",
        "set",
        "setrange",
        "strlen",
        "time",
        "ttl",
        "unlink",
    ),
    *("zadd", "zcard", "zrange", "zrangebyscore", "zrank", "zrem", "zremrangebyscore", "zscore"),
)
"""What the scaler allows workers in a queue of the stack's own; a test holds both to each other."""


@dataclass(frozen=True, slots=True)
class CacheUserPlan:
    """One user of the queue."""

    name: str
    """As it logs in."""
    user_id: str
    """In ElastiCache, where it is one of all users of the account and region."""
    access: str
    """What it may do, in the words of Valkey's ACL, in the order in which the server tells them."""
    endpoint: str | None
    """Whose workers it is; None for the platform's own and `default`."""


@dataclass(frozen=True, slots=True)
class CachePlan:
    """The cluster."""

    name: str
    """In ElastiCache."""
    namespace: str
    """Of the Secret with its addresses."""
    node_type: str
    shards: int
    replicas: int
    engine_version: str
    family: str
    parameters: tuple[tuple[str, str], ...]
    port: int
    maintenance: str
    snapshots: str
    """Window of the daily snapshot, UTC; apart from the maintenance's."""
    snapshot_days: int
    final_snapshot: str | None
    """Its name; None where a stack that is not protected ends without one."""
    engine_log: LogGroupPlan
    slow_log: LogGroupPlan
    users: tuple[CacheUserPlan, ...]
    """Sorted by name; of a user group."""
    tags: Mapping[str, str]
    is_protected: bool


def plan_cache(scope: Scope, aws: Aws, endpoints: tuple[str, ...]) -> CachePlan | None:
    """The managed queue; None where the queue is a pod.

    Args:
        scope: of the stack.
        aws: its settings.
        endpoints: names; each one's workers get a user.
    """
    if aws.queue is None:
        return None
    return CachePlan(
        name=scope.named("queue"),
        namespace=scope.namespace,
        node_type=aws.queue.node_type,
        shards=aws.queue.shards,
        replicas=aws.queue.replicas,
        engine_version=ENGINE_VERSION,
        family=FAMILY,
        # A queue that evicts loses requests that were accepted.
        parameters=(("cluster-enabled", "yes"), ("maxmemory-policy", "noeviction")),
        port=QUEUE_PORT,
        maintenance="sun:03:00-sun:04:00",
        snapshots="01:00-02:00",
        snapshot_days=7,
        final_snapshot=scope.named("queue-final") if scope.is_protected else None,
        engine_log=log_group(scope, "queue-engine", LOG_DAYS),
        slow_log=log_group(scope, "queue-slow", LOG_DAYS),
        users=cache_users(scope, endpoints),
        tags=scope.tagged("queue"),
        is_protected=scope.is_protected,
    )


def cache_users(scope: Scope, endpoints: tuple[str, ...]) -> tuple[CacheUserPlan, ...]:
    """Everybody who may log in, and `default`, which may not; sorted by name."""
    # The scaler's rights over users are of no use here, and ElastiCache takes no rule that names a refused command.
    own = {user: f"on ~moorage:* resetchannels &moorage:* {ORDINARY}" for user, _ in USERS}
    found = [CacheUserPlan(DEFAULT, _user_id(scope, DEFAULT), "off resetchannels -@all", None)]
    found += [CacheUserPlan(user, _user_id(scope, user), access, None) for user, access in own.items()]
    found += [
        CacheUserPlan(worker_user(name), _user_id(scope, worker_user(name)), worker_access(name), name)
        for name in endpoints
    ]
    return tuple(sorted(found, key=lambda user: user.name))


def worker_access(endpoint: str) -> str:
    """What an endpoint's workers may do: a worker's moves on its endpoint's keys, on whichever node they are."""
    commands = sorted({*WORKER_COMMANDS, *CLUSTER_COMMANDS})
    keys = f"~moorage:{{{endpoint}}} ~moorage:{{{endpoint}}}:*"
    return f"on {keys} resetchannels &{CHANNEL} -@all {' '.join(f'+{each}' for each in commands)}"


def queue_secret_metadata(plan: CachePlan) -> Manifest:
    """Metadata of the Secret with its addresses: the same as of a queue of the stack's own."""
    return {"metadata": metadata(QUEUE, plan.namespace, labels_of(QUEUE)), "type": "Opaque"}


def worker_login(worker_key: str, endpoint: str) -> str:
    """The password of an endpoint's workers, as their own Secret holds it."""
    return worker_password(worker_key, endpoint)


def cache_findings(spec: Spec, aws: Aws) -> Iterator[Finding]:
    """A fault of endpoints.yaml where a managed queue has no users for so many endpoints."""
    most = MOST_USERS - len(USERS) - 1
    if aws.queue is None or len(spec.endpoints) <= most:
        return
    what = f"the managed queue of this stack has users for {most} endpoints, not for {len(spec.endpoints)}."
    mend = (
        "Split the endpoints over two stacks, or leave out moorage:aws: {queue: …}: the queue is a pod then."
    )
    yield Finding(("endpoints", most), what, mend, "queue-users")


def _user_id(scope: Scope, user: str) -> str:
    """Unlike any other stack's, and in the form that ElastiCache takes: no two hyphens, none at the end."""
    digest = hashlib.sha256(f"{scope.stack}/{user}".encode()).hexdigest()[:DIGITS]
    words = [word for word in f"{scope.name}-{user}"[: LONGEST_ID - DIGITS - 1].split("-") if word]
    return "-".join([*words, digest])
