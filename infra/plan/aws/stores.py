"""Who reaches the stack's stores: pods' roles in the object store, and the services that network policies let through.

The object store takes the calls of `runtime.objects.s3` and no others. An upload in parts is `s3:PutObject` all along
but for its end by abort; `HeadObject` is `s3:GetObject`.
Source: Service Authorization Reference, Amazon S3, and S3 User Guide, "Multipart upload API and permissions", 2026-11.
"""

from collections.abc import Iterator

from infra.plan.aws.buckets import OBJECTS, WEIGHTS, bucket_arn
from infra.plan.aws.database import PORT as DATABASE_PORT
from infra.plan.aws.database import monitoring_role
from infra.plan.aws.keys import READ, key_statement
from infra.plan.aws.roles import RolePlan, ServiceAccount, Statement
from infra.plan.aws.scope import Scope
from infra.plan.values import ManagedServicePlan
from infra.spec.stack_aws import Aws
from runtime.wire.cluster import QUEUE_PORT

BODIES, ANSWERS = "*.body", "*.answer"
"""How objects' names end: bodies of requests, and answers that are kept."""


def stores_roles(scope: Scope, aws: Aws) -> tuple[RolePlan, ...]:
    """The roles of pods that read and write the stores, and of RDS, sorted by name."""
    roles = [_gateway(scope), _api(scope), _replica(scope, has_weights=aws.cold_start.weights_bucket)]
    if aws.database is not None:
        roles.append(monitoring_role(scope))
    return tuple(sorted(roles, key=lambda role: role.name))


def managed_services(aws: Aws) -> tuple[ManagedServicePlan, ...]:
    """What pods reach in the VPC although its range is shut to models, sorted by port."""
    return tuple(sorted(_managed_services(aws), key=lambda service: service.port))


def network_range(aws: Aws) -> str:
    """The VPC's addresses."""
    existing = aws.network.existing
    return aws.network.cidr if existing is None else existing.cidr


def _managed_services(aws: Aws) -> Iterator[ManagedServicePlan]:
    cidrs = (network_range(aws),)
    if aws.queue is not None:
        yield ManagedServicePlan(("api", "gateway", "replica", "scaler"), cidrs, QUEUE_PORT)
    if aws.database is not None:
        yield ManagedServicePlan(("api",), cidrs, DATABASE_PORT)


def _gateway(scope: Scope) -> RolePlan:
    return RolePlan(
        name="gateway",
        role_name=scope.named("gateway"),
        reason="The gateway keeps large bodies until a worker has read them, and hands out large answers.",
        trust="pods",
        statements=(
            _write(scope, BODIES, "A large body is stored before its request is accepted."),
            _read(scope, ANSWERS, "A kept answer is fetched through the gateway."),
            _remove(scope, "The body of a request that was refused after all is removed at once."),
            _tell_absent(scope),
            _key_of(scope, OBJECTS, "ObjectKey", "Bodies and answers are encrypted with the stack's key."),
        ),
        service_accounts=(ServiceAccount(scope.namespace, "gateway"),),
    )


def _api(scope: Scope) -> RolePlan:
    return RolePlan(
        name="api",
        role_name=scope.named("api"),
        reason="The platform API hands out large answers and purges dead letters.",
        trust="pods",
        statements=(
            _read(scope, ANSWERS, "A kept answer is fetched through the platform API."),
            _remove(scope, "A dead letter is purged with its body."),
            _tell_absent(scope),
            _key_of(scope, OBJECTS, "ObjectKey", "Answers are encrypted with the stack's key.", actions=READ),
        ),
        service_accounts=(ServiceAccount(scope.namespace, "api"),),
    )


def _replica(scope: Scope, *, has_weights: bool) -> RolePlan:
    """Of workers, and so of the models beside them: Pod Identity serves a whole pod.

    Without the right to list, nobody finds an object whose request id he does not know, and ids are 128 random bits.
    """
    weights = bucket_arn(scope, WEIGHTS)
    of_weights = (
        Statement(
            "ReadWeights",
            "Models load their weights from the stack's bucket.",
            ("s3:GetObject",),
            (f"{weights}/*",),
        ),
        Statement(
            "ListWeights",
            "A loader looks for the files of a model: what is there is no secret among models.",
            ("s3:ListBucket",),
            (weights,),
        ),
        _key_of(scope, WEIGHTS, "WeightKey", "Weights are encrypted with the stack's key.", actions=READ),
    )
    return RolePlan(
        name="replica",
        role_name=scope.named("replica"),
        reason="Workers read large bodies, keep large answers, and models read their weights.",
        trust="pods",
        statements=(
            _write(
                scope, ANSWERS, "A large answer that is kept is stored before its request counts as finished."
            ),
            _read(scope, BODIES, "A worker reads the body of the request that it runs."),
            _remove(scope, "The body of a finished request is removed."),
            _key_of(scope, OBJECTS, "ObjectKey", "Bodies and answers are encrypted with the stack's key."),
            *(of_weights if has_weights else ()),
        ),
        service_accounts=tuple(
            ServiceAccount(namespace, "replica") for namespace in sorted(scope.endpoint_namespaces)
        ),
    )


def _write(scope: Scope, names: str, reason: str) -> Statement:
    actions = ("s3:AbortMultipartUpload", "s3:PutObject")
    return Statement("WriteObjects", reason, actions, (f"{bucket_arn(scope, OBJECTS)}/{names}",))


def _read(scope: Scope, names: str, reason: str) -> Statement:
    return Statement("ReadObjects", reason, ("s3:GetObject",), (f"{bucket_arn(scope, OBJECTS)}/{names}",))


def _remove(scope: Scope, reason: str) -> Statement:
    return Statement(
        "RemoveBodies", reason, ("s3:DeleteObject",), (f"{bucket_arn(scope, OBJECTS)}/{BODIES}",)
    )


def _tell_absent(scope: Scope) -> Statement:
    return Statement(
        "TellAbsentObjects",
        "Without it S3 answers 403 for an object that is gone, and the client would hear of a store that is away.",
        ("s3:ListBucket",),
        (bucket_arn(scope, OBJECTS),),
    )


def _key_of(
    scope: Scope,
    bucket: str,
    sid: str,
    reason: str,
    *,
    actions: tuple[str, ...] = ("kms:Decrypt", "kms:GenerateDataKey"),
) -> Statement:
    """The key through S3 only, and for this bucket only: with bucket keys, its ARN is what S3 encrypts under.

    Source: S3 User Guide, "Reducing the cost of SSE-KMS with Amazon S3 Bucket Keys", 2026-11.
    """
    conditions = {
        "StringEquals": {
            "kms:EncryptionContext:aws:s3:arn": bucket_arn(scope, bucket),
            "kms:ViaService": f"s3.{scope.region}.amazonaws.com",
        }
    }
    return key_statement(scope, "data", sid=sid, reason=reason, actions=actions, conditions=conditions)
