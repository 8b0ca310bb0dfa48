"""Who reaches what: private by default, TLS where the world comes in."""

from collections.abc import Iterator, Mapping
from typing import Any

from policy.rule import Breach, ResourceRule, StackRule
from policy.seen import ANYWHERE, UNKNOWN, Seen, Subject, at, blocks, is_on, texts

BUCKET = "aws:s3/bucket:Bucket"
BUCKET_BLOCK = "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock"
BUCKET_POLICY = "aws:s3/bucketPolicy:BucketPolicy"
GROUP = "aws:ec2/securityGroup:SecurityGroup"
GROUP_RULES = (
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
    "aws:ec2/securityGroupRule:SecurityGroupRule",
)
BALANCER = "aws:lb/loadBalancer:LoadBalancer"
SWITCHES = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
PUBLIC_ACLS = {"public-read", "public-read-write", "authenticated-read", "website"}
WEB_PORTS = {80, 443}
TLS_POLICIES = (
    "ELBSecurityPolicy-TLS13-1-2",
    "ELBSecurityPolicy-TLS13-1-3",
    "ELBSecurityPolicy-TLS-1-2",
    "ELBSecurityPolicy-FS-1-2",
)
"""Beginning of the names of policies that take TLS 1.2 or later only. Source: ELB user guide, read 2026-11."""
CLUSTER_LOGS = {"api", "audit", "authenticator", "controllerManager", "scheduler"}


def _public_buckets(subject: Subject) -> Iterator[Breach]:
    for bucket in subject.of(BUCKET):
        if texts(bucket.inputs.get("acl")) & PUBLIC_ACLS:
            yield Breach(bucket.key, f"is {bucket.inputs['acl']}.")
        blocks = list(subject.beside(bucket, BUCKET_BLOCK))
        if not blocks:
            yield Breach(bucket.key, "has no public access block.")
        for block in blocks:
            off = [switch for switch in SWITCHES if not is_on(block.inputs.get(switch))]
            if off:
                yield Breach(block.key, f"leaves {', '.join(off)} off.")


def _plain_buckets(subject: Subject) -> Iterator[Breach]:
    for bucket in subject.of(BUCKET):
        policies = [str(each.inputs.get("policy")) for each in subject.beside(bucket, BUCKET_POLICY)]
        if not any("aws:SecureTransport" in text or text == UNKNOWN for text in policies):
            yield Breach(bucket.key, "may be read without TLS.")


def _public_stores(seen: Seen) -> Iterator[str]:
    if seen.type in {"aws:rds/instance:Instance", "aws:rds/clusterInstance:ClusterInstance"}:
        if seen.inputs.get("publiclyAccessible"):
            yield "has a public address (publiclyAccessible)."
        if not seen.inputs.get("dbSubnetGroupName"):
            yield "is in the default network (dbSubnetGroupName)."
    if seen.type == "aws:elasticache/replicationGroup:ReplicationGroup":
        for key in ("subnetGroupName", "securityGroupIds"):
            if not seen.inputs.get(key):
                yield f"is in the default network ({key})."


def _open_groups(subject: Subject) -> Iterator[Breach]:
    public = {
        key
        for balancer in subject.of(BALANCER)
        if not is_on(balancer.inputs.get("internal"))
        for key in balancer.dependencies
        if key.startswith(GROUP)
    }
    for group in subject.of(GROUP):
        for ingress in blocks(group.inputs.get("ingress")):
            yield from _too_open(group.key, ingress, is_web=group.key in public)
    for rule in subject.of(*GROUP_RULES):
        if rule.inputs.get("type", "ingress") == "ingress":
            yield from _too_open(rule.key, rule.inputs, is_web=bool(rule.dependencies & public))


def _too_open(key: str, rule: Mapping[str, Any], *, is_web: bool) -> Iterator[Breach]:
    ranges = ("cidrIpv4", "cidrIpv6", "cidrBlocks", "ipv6CidrBlocks")
    if not any(texts(rule.get(key)) & ANYWHERE for key in ranges):
        return
    ports = rule.get("fromPort"), rule.get("toPort")
    if is_web and ports[0] == ports[1] and ports[0] in WEB_PORTS:
        return
    who = "" if is_web else ", and belongs to no public load balancer"
    yield Breach(key, f"lets the whole internet in on ports {ports[0]} to {ports[1]}{who}.")


def _old_metadata(seen: Seen) -> Iterator[str]:
    if seen.type in {"aws:ec2/launchTemplate:LaunchTemplate", "aws:ec2/instance:Instance"}:
        options, tokens, hops = at(seen.inputs, "metadataOptions"), "httpTokens", "httpPutResponseHopLimit"
    elif seen.type.endswith(":EC2NodeClass"):
        options = at(seen.inputs, "spec", "metadataOptions")
        tokens, hops = "httpTokens", "httpPutResponseHopLimit"
    else:
        return
    if at(options, tokens) not in ("required", UNKNOWN):
        yield "answers version 1 of the metadata service (httpTokens)."
    if at(options, hops) not in (1, UNKNOWN):
        yield "lets pods reach the metadata service (httpPutResponseHopLimit)."


def _cluster_endpoint(seen: Seen) -> Iterator[str]:
    if seen.type != "aws:eks/cluster:Cluster":
        return
    if not is_on(at(seen.inputs, "vpcConfig", "endpointPrivateAccess")):
        yield "is not reached inside the VPC (endpointPrivateAccess)."
    if at(seen.inputs, "vpcConfig", "endpointPublicAccess") is False:
        return
    ranges = at(seen.inputs, "vpcConfig", "publicAccessCidrs")
    if not ranges or texts(ranges) & ANYWHERE:
        yield "is reached by the whole internet (endpointPublicAccess, publicAccessCidrs)."


def _cluster_access(seen: Seen) -> Iterator[str]:
    if seen.type != "aws:eks/cluster:Cluster":
        return
    mode = at(seen.inputs, "accessConfig", "authenticationMode")
    if mode not in ("API", UNKNOWN):
        yield f"takes identities from a ConfigMap (authenticationMode is {mode})."
    logged = seen.inputs.get("enabledClusterLogTypes")
    missing = set() if logged == UNKNOWN else CLUSTER_LOGS - texts(logged)
    if missing:
        yield f"does not log {', '.join(sorted(missing))} (enabledClusterLogTypes)."


def _listeners(seen: Seen) -> Iterator[str]:
    if seen.type != "aws:lb/listener:Listener":
        return
    if seen.inputs.get("protocol") in ("HTTPS", "TLS"):
        policy = seen.inputs.get("sslPolicy")
        if policy != UNKNOWN and not str(policy).startswith(TLS_POLICIES):
            yield f"takes TLS below 1.2 (sslPolicy is {policy})."
        return
    redirect = at(seen.inputs, "defaultActions", "redirect", "protocol")
    if redirect not in ("HTTPS", UNKNOWN):
        yield "answers without TLS."


def _balancers(seen: Seen) -> Iterator[str]:
    if seen.type == BALANCER and not is_on(seen.inputs.get("dropInvalidHeaderFields")):
        yield "hands on headers that are no headers (dropInvalidHeaderFields)."


RULES = (
    StackRule(
        "bucket-private",
        "mandatory",
        "No bucket is public, and none can become so",
        "Give it a BucketPublicAccessBlock with all four switches on, and no ACL.",
        _public_buckets,
    ),
    StackRule(
        "bucket-tls",
        "mandatory",
        "Buckets refuse what comes without TLS",
        "Deny all actions in its policy where aws:SecureTransport is false.",
        _plain_buckets,
    ),
    ResourceRule(
        "store-private",
        "mandatory",
        "No database and no cache is public",
        "Put it into the stack's subnets, with a security group of its own and without a public address.",
        _public_stores,
    ),
    StackRule(
        "group-open",
        "mandatory",
        "Only a public load balancer is open to the world, on ports 80 and 443",
        "Name the security groups or ranges that need it.",
        _open_groups,
    ),
    ResourceRule(
        "metadata-v2",
        "mandatory",
        "Nodes answer version 2 of the metadata service only, and no pod",
        "Set httpTokens to required and httpPutResponseHopLimit to 1.",
        _old_metadata,
    ),
    ResourceRule(
        "cluster-endpoint",
        "mandatory",
        "The API server is private, or reached from named ranges only",
        "Set endpointPrivateAccess, and aws.cluster.public_cidrs to the ranges that need it.",
        _cluster_endpoint,
    ),
    ResourceRule(
        "cluster-access",
        "mandatory",
        "Who may enter the cluster stands in access entries, and what is done there is logged",
        "Set authenticationMode to API and log all five types.",
        _cluster_access,
    ),
    ResourceRule(
        "balancer-tls",
        "mandatory",
        "Load balancers speak TLS 1.2 or later, and send HTTP to it",
        "Take a policy ELBSecurityPolicy-TLS13-1-2-…; redirect port 80 to HTTPS.",
        _listeners,
    ),
    ResourceRule(
        "balancer-headers",
        "mandatory",
        "Load balancers drop what is no header",
        "Set dropInvalidHeaderFields.",
        _balancers,
    ),
)
