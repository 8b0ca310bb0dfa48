"""Each rule by a stack that breaks it and one that keeps it, and laws that all rules follow."""

import ast
import json
import re
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.plan.bounds import Bounds
from policy.rule import STACK, Finding, StackRule, judge
from policy.rules import RULES
from policy.rules.stacks import REQUIRED_TAGS, WITHOUT_TAGS
from policy.seen import MASK, UNKNOWN, Seen, Subject

ROOT = Path(__file__).parent.parent.parent
SDK = Path(str(distribution("pulumi_aws").locate_file("pulumi_aws")))
IDS = {rule.id: rule for rule in RULES}
BUCKET = Seen("aws:s3/bucket:Bucket", "results", {})
GROUP = Seen("aws:ec2/securityGroup:SecurityGroup", "balancer", {})
CLOSED = dict.fromkeys(
    ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets"), True
)
LOG_TYPES = ["api", "audit", "authenticator", "controllerManager", "scheduler"]
TEMPLATE = "aws:ec2/launchTemplate:LaunchTemplate"
CLUSTER = "aws:eks/cluster:Cluster"
CACHE = "aws:elasticache/replicationGroup:ReplicationGroup"
DATABASE = "aws:rds/instance:Instance"
NODE_CLASS = "kubernetes:karpenter.k8s.aws/v1:EC2NodeClass"
LISTENER = "aws:lb/listener:Listener"
INGRESS = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
Stack = tuple[Seen, ...]


def one(kind: str, **inputs: Any) -> Stack:
    """A stack of one resource."""
    return (Seen(kind, "it", inputs),)


def beside(seen: Seen, kind: str, **inputs: Any) -> Stack:
    """A resource and another that belongs to it."""
    return seen, Seen(kind, "it", inputs, frozenset({seen.key}))


def allowing(kind: str = "aws:iam/rolePolicy:RolePolicy", **statement: Any) -> Stack:
    """A policy of one statement."""
    whole = {"Effect": "Allow", "Sid": "Some", "Action": ["s3:GetObject"], "Resource": ["arn:aws:s3:::a/*"]}
    return one(kind, policy=json.dumps({"Statement": [{**whole, **statement}]}))


def pod(container: dict[str, Any] | None = None, **spec: Any) -> Stack:
    """A Deployment that keeps every rule, but for what is given."""
    safe = {
        "name": "model",
        "image": "ghcr.io/acme/model:1",
        "securityContext": {"allowPrivilegeEscalation": False},
        "resources": {"limits": {"cpu": "1", "memory": "1Gi"}},
    }
    whole = {"serviceAccountName": "replica", "containers": [{**safe, **(container or {})}], **spec}
    return one(
        "kubernetes:apps/v1:Deployment",
        metadata={"namespace": "moorage-baseline"},
        spec={"template": {"spec": whole}},
    )


def role(**rule: Any) -> Stack:
    """A role of the cluster with one rule."""
    whole = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"], **rule}
    return one("kubernetes:rbac.authorization.k8s.io/v1:Role", rules=[whole])


def open_to_the_world(port: int, **balancer: Any) -> Stack:
    """A security group that everybody reaches, of a load balancer."""
    return (
        GROUP,
        Seen(
            INGRESS,
            "clients",
            {"cidrIpv4": "0.0.0.0/0", "fromPort": port, "toPort": port},
            frozenset({GROUP.key}),
        ),
        Seen("aws:lb/loadBalancer:LoadBalancer", "it", balancer, frozenset({GROUP.key})),
    )


CASES: tuple[tuple[str, Stack, Stack], ...] = (
    ("iam-wildcard-action", allowing(Action=["s3:*"]), allowing()),
    ("iam-wildcard-action", allowing(NotAction=["iam:PassRole"]), allowing(Effect="Deny", Action="*")),
    ("iam-wildcard-resource", allowing(Resource="*"), allowing(Action="ec2:DescribeInstances", Resource="*")),
    (
        "iam-wildcard-resource",
        allowing(Resource=["arn:aws:s3:::*"]),
        allowing(Action=["ecr:GetAuthorizationToken"], Resource=["*"]),
    ),
    (
        "iam-wildcard-resource",
        allowing(Action=["ec2:DescribeInstances", "ec2:RunInstances"], Resource=["*"]),
        allowing(NotAction=[], Action=[], Resource=["arn:aws:sqs:eu-central-1:123456789012:moorage-*"]),
    ),
    (
        "iam-managed-policy",
        one(
            "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
            policyArn="arn:aws:iam::aws:policy/AmazonS3FullAccess",
        ),
        one(
            "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
            policyArn="arn:aws:iam::aws:policy/AmazonEKSClusterPolicy",
        ),
    ),
    (
        "iam-managed-policy",
        one("aws:iam/role:Role", managedPolicyArns=["arn:aws:iam::aws:policy/AdministratorAccess"]),
        one("aws:iam/role:Role", managedPolicyArns=[]),
    ),
    (
        "policy-open",
        allowing("aws:s3/bucketPolicy:BucketPolicy", Principal="*"),
        allowing("aws:s3/bucketPolicy:BucketPolicy", Principal="*", Effect="Deny"),
    ),
    (
        "policy-open",
        allowing("aws:sqs/queuePolicy:QueuePolicy", Principal={"AWS": ["*"]}),
        allowing(
            "aws:sqs/queuePolicy:QueuePolicy",
            Principal={"AWS": "*"},
            Condition={"StringEquals": {"aws:SourceAccount": "123456789012"}},
        ),
    ),
    (
        "iam-user",
        one("aws:iam/accessKey:AccessKey", user="ci"),
        one("aws:eks/podIdentityAssociation:PodIdentityAssociation"),
    ),
    (
        "store-encrypted",
        one("aws:cloudwatch/logGroup:LogGroup", retentionInDays=90),
        one("aws:cloudwatch/logGroup:LogGroup", retentionInDays=90, kmsKeyId=UNKNOWN),
    ),
    ("store-encrypted", one("aws:ebs/volume:Volume"), one("aws:ebs/volume:Volume", encrypted=True)),
    (
        "store-encrypted",
        one("aws:ecr/repository:Repository", encryptionConfigurations=[{"encryptionType": "AES256"}]),
        one(
            "aws:ecr/repository:Repository",
            encryptionConfigurations=[{"encryptionType": "KMS", "kmsKey": "arn"}],
        ),
    ),
    (
        "store-encrypted",
        one("aws:efs/fileSystem:FileSystem", encrypted=True),
        one("aws:efs/fileSystem:FileSystem", encrypted=True, kmsKeyId="arn"),
    ),
    (
        "store-encrypted",
        one(CLUSTER, encryptionConfig={"resources": ["secrets"]}),
        one(CLUSTER, encryptionConfig={"resources": ["secrets"], "provider": {"keyArn": "arn"}}),
    ),
    (
        "store-encrypted",
        one(CACHE, atRestEncryptionEnabled=True, kmsKeyId="arn"),
        one(CACHE, atRestEncryptionEnabled="true", transitEncryptionEnabled=True, kmsKeyId="arn"),
    ),
    ("store-encrypted", one(DATABASE, kmsKeyId="arn"), one(DATABASE, storageEncrypted=True, kmsKeyId="arn")),
    (
        "store-encrypted",
        one("aws:secretsmanager/secret:Secret"),
        one("aws:secretsmanager/secret:Secret", kmsKeyId="arn"),
    ),
    ("store-encrypted", one("aws:sqs/queue:Queue"), one("aws:sqs/queue:Queue", sqsManagedSseEnabled=True)),
    (
        "store-encrypted",
        one("aws:amp/workspace:Workspace"),
        one("aws:amp/workspace:Workspace", kmsKeyArn="arn"),
    ),
    (
        "disk-encrypted",
        one(TEMPLATE, blockDeviceMappings=[{"deviceName": "/dev/xvda", "ebs": {"volumeSize": 200}}]),
        one(TEMPLATE, blockDeviceMappings=[{"deviceName": "/dev/xvda", "ebs": {"encrypted": "true"}}]),
    ),
    (
        "disk-encrypted",
        one(TEMPLATE),
        one(
            NODE_CLASS,
            spec={"blockDeviceMappings": [{"deviceName": "/dev/xvda", "ebs": {"encrypted": True}}]},
        ),
    ),
    (
        "disk-encrypted",
        one(
            "kubernetes:storage.k8s.io/v1:StorageClass",
            provisioner="ebs.csi.aws.com",
            parameters={"type": "gp3"},
        ),
        one(
            "kubernetes:storage.k8s.io/v1:StorageClass",
            provisioner="ebs.csi.aws.com",
            parameters={"encrypted": "true"},
        ),
    ),
    (
        "bucket-encrypted",
        (BUCKET,),
        beside(
            BUCKET, "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
        ),
    ),
    ("key-rotates", one("aws:kms/key:Key"), one("aws:kms/key:Key", enableKeyRotation=True)),
    ("database-password", one(DATABASE, password=MASK), one(DATABASE, manageMasterUserPassword=True)),
    (
        "bucket-private",
        (BUCKET,),
        beside(BUCKET, "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock", **CLOSED),
    ),
    (
        "bucket-private",
        beside(
            BUCKET,
            "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
            **CLOSED | {"blockPublicAcls": False},
        ),
        beside(BUCKET, "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock", **CLOSED),
    ),
    (
        "bucket-tls",
        (BUCKET,),
        beside(
            BUCKET,
            "aws:s3/bucketPolicy:BucketPolicy",
            policy='{"Statement": [{"Effect": "Deny", "Condition": {"Bool": {"aws:SecureTransport": "false"}}}]}',
        ),
    ),
    (
        "store-private",
        one(DATABASE, dbSubnetGroupName="data", publiclyAccessible=True),
        one(DATABASE, dbSubnetGroupName="data", publiclyAccessible=False),
    ),
    (
        "store-private",
        one(CACHE, securityGroupIds=["sg"]),
        one(CACHE, securityGroupIds=UNKNOWN, subnetGroupName="data"),
    ),
    ("group-open", open_to_the_world(8484), open_to_the_world(443)),
    ("group-open", open_to_the_world(443, internal=True), open_to_the_world(80, internal=False)),
    (
        "group-open",
        one(
            "aws:ec2/securityGroup:SecurityGroup",
            ingress=[{"cidrBlocks": ["0.0.0.0/0"], "fromPort": 5432, "toPort": 5432}],
        ),
        one(
            "aws:ec2/securityGroup:SecurityGroup",
            ingress=[{"cidrBlocks": ["10.0.0.0/8"], "fromPort": 0, "toPort": 65535}],
        ),
    ),
    (
        "metadata-v2",
        one(TEMPLATE, metadataOptions={"httpTokens": "required", "httpPutResponseHopLimit": 2}),
        one(TEMPLATE, metadataOptions={"httpTokens": "required", "httpPutResponseHopLimit": 1}),
    ),
    (
        "metadata-v2",
        one(NODE_CLASS, spec={}),
        one(NODE_CLASS, spec={"metadataOptions": {"httpTokens": "required", "httpPutResponseHopLimit": 1}}),
    ),
    (
        "cluster-endpoint",
        one(CLUSTER, vpcConfig={"endpointPrivateAccess": True}),
        one(CLUSTER, vpcConfig={"endpointPrivateAccess": True, "endpointPublicAccess": False}),
    ),
    (
        "cluster-endpoint",
        one(CLUSTER, vpcConfig={"endpointPrivateAccess": True, "publicAccessCidrs": ["0.0.0.0/0"]}),
        one(CLUSTER, vpcConfig={"endpointPrivateAccess": True, "publicAccessCidrs": ["203.0.113.0/24"]}),
    ),
    (
        "cluster-access",
        one(CLUSTER, accessConfig={"authenticationMode": "API"}, enabledClusterLogTypes=["api"]),
        one(CLUSTER, accessConfig={"authenticationMode": "API"}, enabledClusterLogTypes=LOG_TYPES),
    ),
    (
        "balancer-tls",
        one(LISTENER, protocol="HTTPS", sslPolicy="ELBSecurityPolicy-2016-08"),
        one(LISTENER, protocol="HTTPS", sslPolicy="ELBSecurityPolicy-TLS13-1-2-Res-PQ-2025-09"),
    ),
    (
        "balancer-tls",
        one(LISTENER, protocol="HTTP", defaultActions=[{"type": "forward"}]),
        one(
            LISTENER,
            protocol="HTTP",
            defaultActions=[{"type": "redirect", "redirect": {"protocol": "HTTPS"}}],
        ),
    ),
    (
        "balancer-headers",
        one("aws:lb/loadBalancer:LoadBalancer"),
        one("aws:lb/loadBalancer:LoadBalancer", dropInvalidHeaderFields=True),
    ),
    (
        "tags-required",
        one("aws:sqs/queue:Queue", tags={"Name": "it"}),
        one("aws:sqs/queue:Queue", tags=dict.fromkeys(REQUIRED_TAGS, "x")),
    ),
    (
        "tags-required",
        one("aws:autoscaling/group:Group", tags=[{"key": "Name", "value": "it"}]),
        one("aws:kms/alias:Alias"),
    ),
    ("tag-name", one("aws:sqs/queue:Queue", tags={}), one("aws:sqs/queue:Queue", tags={"Name": "it"})),
    (
        "pod-privileged",
        pod({"securityContext": {"privileged": True, "allowPrivilegeEscalation": False}}),
        pod(),
    ),
    ("pod-privileged", pod({"securityContext": {}}), pod()),
    (
        "pod-privileged",
        pod(
            initContainers=[
                {
                    "name": "net",
                    "securityContext": {
                        "allowPrivilegeEscalation": False,
                        "capabilities": {"add": ["NET_ADMIN"]},
                    },
                }
            ]
        ),
        pod({"securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}}),
    ),
    ("pod-host", pod(hostNetwork=True), pod(hostNetwork=False)),
    (
        "pod-host",
        pod(volumes=[{"name": "docker", "hostPath": {"path": "/var/run"}}]),
        pod(volumes=[{"name": "tmp", "emptyDir": {}}]),
    ),
    (
        "pod-host",
        pod({"ports": [{"containerPort": 1, "hostPort": 1}]}),
        pod({"ports": [{"containerPort": 1}]}),
    ),
    (
        "image-pinned",
        pod({"image": "localhost:5001/acme/model"}),
        pod({"image": "acme/model@sha256:" + "0" * 64}),
    ),
    ("image-pinned", pod({"image": "ghcr.io/acme/model:latest"}), pod({"image": "localhost:5001/model:1"})),
    ("pod-limits", pod({"resources": {"limits": {"cpu": "1"}}}), pod()),
    ("pod-identity", pod(serviceAccountName="default"), pod()),
    (
        "secret-in-clear",
        one("kubernetes:core/v1:ConfigMap", data={"url": MASK}),
        one("kubernetes:core/v1:ConfigMap", data={"url": "https://models.example.com"}),
    ),
    (
        "secret-in-clear",
        one("kubernetes:core/v1:ConfigMap", data={"url": "redis://user:word@queue:6379"}),
        one("kubernetes:core/v1:ConfigMap", data={"url": "redis://queue:6379"}),
    ),
    (
        "secret-in-clear",
        pod({"env": [{"name": "DB_PASSWORD", "value": "word"}]}),
        pod(
            {"env": [{"name": "DB_PASSWORD", "valueFrom": {"secretKeyRef": {"name": "db", "key": "value"}}}]}
        ),
    ),
    (
        "secret-in-clear",
        pod({"env": [{"name": "API_KEY", "value": "AKIA" + "A" * 16}]}),
        pod({"env": [{"name": "API_KEY", "value": "/keys/api"}]}),
    ),
    ("rbac-least", role(verbs=["*"]), role(verbs=["get", "list", "watch", "patch"])),
    (
        "rbac-least",
        role(resources=["secrets"], verbs=["get", "patch"]),
        role(resources=["secrets"], verbs=["get"]),
    ),
    (
        "rbac-least",
        role(resources=["pods/exec"], verbs=["create"]),
        role(resources=["leases"], verbs=["create"]),
    ),
    ("rbac-least", role(resources=["roles"], verbs=["escalate"]), role(resources=["roles"], verbs=["get"])),
    (
        "rbac-admin",
        one("kubernetes:rbac.authorization.k8s.io/v1:ClusterRoleBinding", roleRef={"name": "cluster-admin"}),
        one("kubernetes:rbac.authorization.k8s.io/v1:ClusterRoleBinding", roleRef={"name": "view"}),
    ),
    (
        "namespace-named",
        one("kubernetes:core/v1:Pod", metadata={}, spec={"containers": []}),
        one("kubernetes:core/v1:Pod", metadata={"namespace": "moorage"}, spec={"containers": []}),
    ),
    (
        "chart-pinned",
        one("kubernetes:helm.sh/v3:Release", chart="keda"),
        one("kubernetes:helm.sh/v3:Release", chart="keda", version="2.21.1"),
    ),
)
"""A rule, a stack that breaks it, a stack that keeps it."""
CLAIM = "kubernetes:core/v1:PersistentVolumeClaim"
OF_ENDPOINT = {"metadata": {"labels": {"moorage.dev/endpoint": "ocr"}}}
BOUND_CASES: tuple[tuple[str, Subject, Subject], ...] = (
    (
        "cost-ceiling",
        Subject((), Bounds(50.01, 50.0, is_protected=False)),
        Subject((), Bounds(50.0, 50.0, is_protected=False)),
    ),
    (
        "cost-unbounded",
        Subject((BUCKET,), Bounds(50.0, None, is_protected=False)),
        Subject(pod(), Bounds(50.0, None, is_protected=False)),
    ),
    (
        "data-protected",
        Subject((BUCKET,), Bounds(1.0, None, is_protected=True)),
        Subject((Seen(BUCKET.type, "results", {}, protect=True),), Bounds(1.0, None, is_protected=True)),
    ),
    (
        "data-protected",
        Subject((BUCKET,), Bounds(1.0, None, is_protected=True)),
        Subject((BUCKET,), Bounds(1.0, None, is_protected=False)),
    ),
    (
        "data-protected",
        Subject((Seen(CLAIM, "api-disk", {}),), Bounds(1.0, None, is_protected=True)),
        Subject((Seen(CLAIM, "ocr.cache", OF_ENDPOINT),), Bounds(1.0, None, is_protected=True)),
    ),
)


def findings(rule: str, subject: Subject) -> tuple[Finding, ...]:
    """What a rule says of a stack."""
    return judge((IDS[rule],), subject)


@pytest.mark.parametrize(("rule", "bad", "good"), CASES)
def test_rule_tells_a_breach_and_passes_what_keeps_it(rule: str, bad: Stack, good: Stack) -> None:
    """And the breach names the resource."""
    assert findings(rule, Subject(good)) == ()

    found = findings(rule, Subject(bad))

    assert found
    assert {each.where for each in found} <= {seen.key for seen in bad}


@pytest.mark.parametrize(("rule", "bad", "good"), BOUND_CASES)
def test_rule_of_bounds_tells_a_breach_and_passes_what_keeps_it(
    rule: str, bad: Subject, good: Subject
) -> None:
    """What costs or protects is judged by what the plan says of the stack."""
    assert findings(rule, good) == ()
    assert findings(rule, bad)


def test_every_rule_has_a_case() -> None:
    """Else nobody knows whether it bites."""
    assert {rule for rule, *_ in (*CASES, *BOUND_CASES)} == set(IDS)


def test_ids_are_each_of_one_rule() -> None:
    """They are what a reader looks for."""
    assert len(IDS) == len(RULES)


def test_nothing_breaks_no_rule() -> None:
    """An empty stack is in order, and one of unknown bounds is not judged by them."""
    assert judge(RULES, Subject(())) == ()


def test_value_that_is_not_known_yet_counts_as_set() -> None:
    """Before `up` keys have no ARN."""
    group = one("aws:cloudwatch/logGroup:LogGroup", kmsKeyId=UNKNOWN, retentionInDays=90, tags=UNKNOWN)
    policy = one("aws:iam/rolePolicy:RolePolicy", policy=UNKNOWN)

    assert judge(RULES, Subject((*group, *policy))) == ()


def _vocabulary() -> list[str]:
    """Every key that a rule looks for."""
    sources = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "policy/rules").glob("*.py"))
    return sorted(set(re.findall(r'"([A-Za-z]+)"', sources)))


TYPES = sorted({seen.type for _, bad, good in CASES for seen in (*bad, *good)})
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from(["", "*", "x", UNKNOWN, MASK, '{"Statement": 1}']),
)
INPUTS = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(_vocabulary()), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(
    kind=st.sampled_from(TYPES),
    inputs=st.dictionaries(st.sampled_from(_vocabulary()), INPUTS, max_size=5),
    beside=st.sampled_from(TYPES),
    other=st.dictionaries(st.sampled_from(_vocabulary()), INPUTS, max_size=5),
)
def test_no_rule_fails_on_inputs_of_any_shape(
    kind: str, inputs: dict[str, Any], beside: str, other: dict[str, Any]
) -> None:
    """A rule that fails would be a plan that nobody has judged."""
    seen = Seen(kind, "it", inputs)

    found = judge(RULES, Subject((seen, Seen(beside, "other", other, frozenset({seen.key})))))

    assert all(each.what and each.mend for each in found)


def test_finding_says_where_what_how_to_mend_it_and_which_rule() -> None:
    """In the form of all faults of this project."""
    dear = findings("cost-ceiling", BOUND_CASES[0][1])
    nameless = findings("tag-name", Subject(one("aws:sqs/queue:Queue")))

    assert str(dear[0]) == (
        f"{STACK}: may cost $50.01 an hour, above its ceiling of $50.00.\n"
        "  Lower replicas.max or take smaller hardware; or raise aws.ceiling_dollars_per_hour.  [cost-ceiling]"
    )
    assert str(nameless[0]).endswith("[tag-name, advisory]")


def test_no_finding_shows_a_secret() -> None:
    """It names the place only."""
    found = findings("secret-in-clear", Subject(pod({"env": [{"name": "DB_PASSWORD", "value": "hunter2"}]})))

    assert found
    assert "hunter2" not in "".join(map(str, found))


@pytest.mark.parametrize("kind", sorted(WITHOUT_TAGS))
def test_types_without_tags_take_none(kind: str) -> None:
    """By the signature of the SDK; a type that comes to take tags must have them."""
    module, _, rest = kind.removeprefix("aws:").partition("/")
    file = re.sub(r"(?<!^)(?=[A-Z])", "_", rest.partition(":")[0]).lower()

    source = (SDK / module / f"{file}.py").read_text(encoding="utf-8")
    taken = {
        argument.arg
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef) and node.name == "_internal_init"
        for argument in node.args.args
    }

    assert taken
    assert "tags" not in taken


def test_rules_of_the_whole_stack_are_few() -> None:
    """A breach of one resource is told before it is made; of the whole only at the end."""
    assert sum(isinstance(rule, StackRule) for rule in RULES) <= len(RULES) / 4
