"""Load balancer controller and External Secrets on AWS: charts, values, and what each may do in the account.

Sources, read 2026-11-25: aws-load-balancer-controller 3.5.0 (values.yaml, docs/install/iam_policy.json,
pkg/targetgroupbinding, webhooks/elbv2); external-secrets 2.9.0 (values.yaml, providers/v1/aws/secretsmanager);
Secrets Manager user guide, "IAM policy examples" and "Encryption context".
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from infra.plan.addons import CHARTS
from infra.plan.aws.roles import RolePlan, ServiceAccount, Statement
from infra.plan.aws.scope import Scope
from infra.plan.aws.vault import prefix_of
from infra.plan.aws.ways_in import LoadBalancerPlan
from infra.plan.fit import used_secrets
from infra.plan.values import AddonPlan
from infra.spec.model import Spec

LOAD_BALANCER_CONTROLLER = "aws-load-balancer-controller"
EXTERNAL_SECRETS = "external-secrets"
VPC_VALUE = "vpcId"
"""The chart's value that is known only once the VPC is made: the controller reaches no metadata service."""
_SUFFIX = "-??????"
"""What Secrets Manager adds to a name in its ARN: a hyphen and six characters."""
_WHOLE_ARN = re.compile(r".*-[A-Za-z0-9]{6}")
_SWITCHED_OFF = ("ALBGatewayAPI", "EnableServiceController", "NLBGatewayAPI")
"""Features of the controller that would make load balancers of its own."""


def load_balancer_controller(scope: Scope) -> AddonPlan:
    """The controller, for TargetGroupBindings of the platform alone; `VPC_VALUE` is still to be filled in.

    It is installed where there is a load balancer. It serves no Ingress, Service or Gateway, and touches neither
    WAF nor Shield nor security groups.
    """
    return AddonPlan(
        name=LOAD_BALANCER_CONTROLLER,
        namespace="kube-system",
        chart=LOAD_BALANCER_CONTROLLER,
        repository="https://aws.github.io/eks-charts",
        version="3.5.0",
        values={
            "clusterName": scope.cluster,
            "region": scope.region,
            "watchNamespace": scope.namespace,
            "replicaCount": 2,
            "podDisruptionBudget": {"maxUnavailable": 1},
            "resources": {"requests": {"cpu": "50m", "memory": "128Mi"}, "limits": {"memory": "512Mi"}},
            "serviceAccount": {"create": True, "name": LOAD_BALANCER_CONTROLLER},
            "keepTLSSecret": True,  # or each upgrade changes the webhooks' certificate
            "createIngressClassResource": False,
            "ingressClassParams": {"create": False},
            "disableIngressClassAnnotation": True,
            "webhookConfig": {"disableIngressValidation": True},
            "enableServiceMutatorWebhook": False,
            "enableBackendSecurityGroup": False,
            "enableShield": False,
            "enableWaf": False,
            "enableWafv2": False,
            "controllerConfig": {"featureGates": dict.fromkeys(_SWITCHED_OFF, False)},
        },
    )


def load_balancer_roles(scope: Scope, balancers: Sequence[LoadBalancerPlan]) -> tuple[RolePlan, ...]:
    """The controller's role, where there is a load balancer.

    Of the 16 statements that its authors publish two are left. Gone is all that makes, changes or deletes load
    balancers, listeners, rules, certificates, WAF and Shield, which the program does; and all that writes
    security groups, for no binding speaks of networking.
    """
    if not balancers:
        return ()
    groups = [f"targetgroup/{each.balancer_name}/*" for each in balancers]
    statements = (
        Statement(
            sid="Look",
            reason="It compares a target group with the gateway's pods, and their addresses with the VPC's and"
            " the security groups of the cluster. None of these actions knows a resource.",
            actions=(
                "ec2:DescribeSecurityGroups",
                "ec2:DescribeVpcs",
                "elasticloadbalancing:DescribeTargetGroups",
                "elasticloadbalancing:DescribeTargetHealth",
            ),
            resources=("*",),
        ),
        Statement(
            sid="Bind",
            reason="It registers the gateway's pods with the stack's target groups; what follows a group's name"
            " in its ARN is made by AWS.",
            actions=("elasticloadbalancing:DeregisterTargets", "elasticloadbalancing:RegisterTargets"),
            resources=tuple(sorted(scope.arn("elasticloadbalancing", group) for group in groups)),
        ),
    )
    return (
        RolePlan(
            name="load-balancer-controller",
            role_name=scope.named("load-balancer-controller"),
            reason="Tells the load balancers where the gateway's pods are.",
            trust="pods",
            statements=statements,
            service_accounts=(ServiceAccount("kube-system", LOAD_BALANCER_CONTROLLER),),
        ),
    )


def external_secrets() -> AddonPlan:
    """External Secrets with an account of a known name, and without what the platform never uses: pushing."""
    chart = CHARTS["external_secrets"]
    values: Mapping[str, Any] = {
        **chart.values,
        "processClusterExternalSecret": False,
        "processClusterGenerator": False,
        "processClusterPushSecret": False,
        "processPushSecret": False,
        "serviceAccount": {"create": True, "name": EXTERNAL_SECRETS},
    }
    return replace(chart, values=values)


def external_secrets_roles(
    scope: Scope, spec: Spec, login: tuple[Statement, ...] = ()
) -> tuple[RolePlan, ...]:
    """The role by which External Secrets reads, where anybody needs a secret.

    Args:
        scope: of the stack.
        spec: the endpoints.
        login: what it may do for the platform API (`infra.plan.aws.database.login_statements`).
    """
    statements = (*_reading_for_endpoints(scope, spec), *login)
    if not statements:
        return ()
    account = ServiceAccount(CHARTS["external_secrets"].namespace, EXTERNAL_SECRETS)
    return (
        RolePlan(
            name="external-secrets",
            role_name=scope.named("external-secrets"),
            reason="Reads the secrets that endpoints and the platform API need.",
            trust="pods",
            statements=statements,
            service_accounts=(account,),
        ),
    )


def _reading_for_endpoints(scope: Scope, spec: Spec) -> tuple[Statement, ...]:
    used = used_secrets(spec)
    if not used:
        return ()
    named = [spec.secrets[name].aws_secret for name in sorted(used)]
    others = sorted({secret_arn(name, scope) for name in named if name is not None})
    own = [scope.arn("secretsmanager", f"secret:{prefix_of(scope)}*")] if None in named else []
    return (
        _decryption(sorted([*own, *others]), scope),
        *_reading(
            "ReadNamed",
            "endpoints.yaml names these by `aws_secret`; the six characters that end an ARN are AWS's.",
            others,
        ),
        *_reading(
            "ReadOwn", "The stack's own secrets: each has the stack's prefix, and nobody else's has it.", own
        ),
    )


def secret_arn(name: str, scope: Scope) -> str:
    """The ARN of an entry of Secrets Manager, by its name or by an ARN with or without its ending.

    What looks like an ending is one; AWS too asks that no name ends in a hyphen and six characters.
    """
    if not name.startswith("arn:"):
        return scope.arn("secretsmanager", f"secret:{name}{_SUFFIX}")
    return name if _WHOLE_ARN.fullmatch(name) else f"{name}{_SUFFIX}"


def _reading(sid: str, reason: str, secrets: Sequence[str]) -> tuple[Statement, ...]:
    """It reads values and nothing else: no ExternalSecret asks for tags or versions."""
    if not secrets:
        return ()
    return (Statement(sid, reason, ("secretsmanager:GetSecretValue",), tuple(secrets)),)


def _decryption(secrets: Sequence[str], scope: Scope) -> Statement:
    return Statement(
        sid="Decrypt",
        reason="Secrets Manager decrypts on its behalf. Which key an entry of somebody else has is not known, so"
        " every key counts, but only through Secrets Manager and only for these very secrets.",
        actions=("kms:Decrypt",),
        resources=tuple(sorted({f"arn:aws:kms:{_place_of(arn)}:key/*" for arn in secrets})),
        conditions={
            "StringEquals": {"kms:ViaService": f"secretsmanager.{scope.region}.amazonaws.com"},
            "StringLike": {"kms:EncryptionContext:SecretARN": tuple(secrets)},
        },
    )


def _place_of(arn: str) -> str:
    """Region and account of an ARN."""
    return ":".join(arn.split(":")[3:5])
