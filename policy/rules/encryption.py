"""What is stored is encrypted, by a key of the stack where AWS lets one choose."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from policy.rule import Breach, ResourceRule, StackRule
from policy.seen import UNKNOWN, Seen, Subject, at, is_on, items, texts

BUCKET = "aws:s3/bucket:Bucket"
BUCKET_ENCRYPTION = "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
EBS_DRIVER = "ebs.csi.aws.com"
Demand = tuple[str, Callable[[Mapping[str, Any]], bool]]
"""What is missing where it does not hold, and whether it holds."""


def _switch(*path: str) -> Callable[[Mapping[str, Any]], bool]:
    return lambda inputs: is_on(at(inputs, *path))


def _given(*path: str) -> Callable[[Mapping[str, Any]], bool]:
    return lambda inputs: bool(at(inputs, *path))


def _encrypts_secrets(inputs: Mapping[str, Any]) -> bool:
    config = at(inputs, "encryptionConfig")
    return config == UNKNOWN or (
        "secrets" in texts(at(config, "resources")) and _given("provider", "keyArn")(config)
    )


def _has_own_queue_key(inputs: Mapping[str, Any]) -> bool:
    return _given("kmsMasterKeyId")(inputs) or _switch("sqsManagedSseEnabled")(inputs)


STORES: Mapping[str, tuple[Demand, ...]] = {
    "aws:amp/workspace:Workspace": (("has no KMS key (kmsKeyArn).", _given("kmsKeyArn")),),
    "aws:cloudwatch/logGroup:LogGroup": (
        ("has no KMS key (kmsKeyId).", _given("kmsKeyId")),
        ("keeps logs for ever (retentionInDays).", _given("retentionInDays")),
    ),
    "aws:ebs/volume:Volume": (("is not encrypted.", _switch("encrypted")),),
    "aws:ecr/repository:Repository": (
        (
            "is not encrypted by KMS (encryptionConfigurations).",
            lambda inputs: at(inputs, "encryptionConfigurations", "encryptionType") in ("KMS", UNKNOWN),
        ),
    ),
    "aws:efs/fileSystem:FileSystem": (
        ("is not encrypted.", _switch("encrypted")),
        ("has no KMS key (kmsKeyId).", _given("kmsKeyId")),
    ),
    "aws:eks/cluster:Cluster": (("keeps Secrets without a KMS key (encryptionConfig).", _encrypts_secrets),),
    "aws:elasticache/replicationGroup:ReplicationGroup": (
        ("is not encrypted at rest (atRestEncryptionEnabled).", _switch("atRestEncryptionEnabled")),
        ("is not encrypted on its way (transitEncryptionEnabled).", _switch("transitEncryptionEnabled")),
        ("has no KMS key (kmsKeyId).", _given("kmsKeyId")),
    ),
    "aws:rds/cluster:Cluster": (
        ("is not encrypted (storageEncrypted).", _switch("storageEncrypted")),
        ("has no KMS key (kmsKeyId).", _given("kmsKeyId")),
    ),
    "aws:rds/instance:Instance": (
        ("is not encrypted (storageEncrypted).", _switch("storageEncrypted")),
        ("has no KMS key (kmsKeyId).", _given("kmsKeyId")),
    ),
    "aws:secretsmanager/secret:Secret": (("has no KMS key (kmsKeyId).", _given("kmsKeyId")),),
    "aws:sns/topic:Topic": (("has no KMS key (kmsMasterKeyId).", _given("kmsMasterKeyId")),),
    "aws:sqs/queue:Queue": (("is not encrypted.", _has_own_queue_key),),
}
"""Types that keep something, and what is asked of each; buckets and disks have rules of their own."""


def _open_stores(seen: Seen) -> Iterator[str]:
    for what, holds in STORES.get(seen.type, ()):
        if not holds(seen.inputs):
            yield what


def _open_disks(seen: Seen) -> Iterator[str]:
    if seen.type == "kubernetes:storage.k8s.io/v1:StorageClass":
        if seen.inputs.get("provisioner") == EBS_DRIVER and not is_on(
            at(seen.inputs, "parameters", "encrypted")
        ):
            yield "makes disks that are not encrypted (parameters.encrypted)."
        return
    found = _disks(seen)
    if found is None:
        return
    if not found:
        yield "leaves its disk as the image has it."
    for disk in found:
        if not is_on(at(disk, "ebs", "encrypted")):
            yield f"has the disk {at(disk, 'deviceName')} not encrypted."


def _disks(seen: Seen) -> list[Any] | None:
    """Disks of a template of nodes; None of anything else."""
    if seen.type == "aws:ec2/launchTemplate:LaunchTemplate":
        return items(seen.inputs.get("blockDeviceMappings"))
    if seen.type.endswith(":EC2NodeClass"):
        return items(at(seen.inputs, "spec", "blockDeviceMappings"))
    return None


def _open_buckets(subject: Subject) -> Iterator[Breach]:
    for bucket in subject.of(BUCKET):
        inline = at(bucket.inputs, "serverSideEncryptionConfiguration")
        if not inline and not any(subject.beside(bucket, BUCKET_ENCRYPTION)):
            yield Breach(bucket.key, "does not say how it is encrypted.")


def _lasting_keys(seen: Seen) -> Iterator[str]:
    if seen.type == "aws:kms/key:Key" and not is_on(seen.inputs.get("enableKeyRotation")):
        yield "does not rotate (enableKeyRotation)."


def _written_passwords(seen: Seen) -> Iterator[str]:
    if seen.type in {"aws:rds/instance:Instance", "aws:rds/cluster:Cluster"}:
        if seen.inputs.get("password") or seen.inputs.get("masterPassword"):
            yield "has a password that stands in the state."
        elif not is_on(seen.inputs.get("manageMasterUserPassword")):
            yield "leaves its password to nobody (manageMasterUserPassword)."


RULES = (
    ResourceRule(
        "store-encrypted",
        "mandatory",
        "Logs, images, files, queues, caches, databases, secrets and metrics are encrypted",
        "Encrypt it by one of the stack's keys: `cluster`, `data` or `logs`.",
        _open_stores,
    ),
    ResourceRule(
        "disk-encrypted",
        "mandatory",
        "Disks of nodes and of pods are encrypted",
        "Set `encrypted` and the key `data` for each device.",
        _open_disks,
    ),
    StackRule(
        "bucket-encrypted",
        "mandatory",
        "Each bucket says how it is encrypted",
        "Give it a BucketServerSideEncryptionConfiguration.",
        _open_buckets,
    ),
    ResourceRule(
        "key-rotates",
        "mandatory",
        "KMS keys rotate",
        "Set enableKeyRotation.",
        _lasting_keys,
    ),
    ResourceRule(
        "database-password",
        "mandatory",
        "A database's password is made and kept by Secrets Manager",
        "Set manageMasterUserPassword and leave `password` out.",
        _written_passwords,
    ),
)
