"""Add-ons that EKS installs and patches: pinned for each Kubernetes version, with what they are told.

Versions: `aws eks describe-addon-versions`, as it was in August 2026 and as stacks of that Kubernetes version
were then pinned in public repositories. A newer build is taken by editing the table, and by nothing else.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from infra.plan.aws.cluster_roles import CNI, EBS, EFS
from infra.plan.aws.scope import Scope

_COREDNS, _EBS, _EFS = "coredns", "aws-ebs-csi-driver", "aws-efs-csi-driver"
_AGENT, _PROXY, _CNI = "eks-pod-identity-agent", "kube-proxy", "vpc-cni"
_SAME = {_EBS: "v1.63.1-eksbuild.1", _AGENT: "v1.4.0-eksbuild.1", _CNI: "v1.23.0-eksbuild.1"}
VERSIONS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "1.34": {
            **_SAME,
            _COREDNS: "v1.13.2-eksbuild.11",
            _EFS: "v3.4.0-eksbuild.1",
            _PROXY: "v1.34.6-eksbuild.18",
        },
        "1.35": {
            **_SAME,
            _COREDNS: "v1.14.3-eksbuild.3",
            _EFS: "v3.4.1-eksbuild.1",
            _PROXY: "v1.35.3-eksbuild.18",
        },
    }
)
"""Kubernetes version to add-on to its version."""
_ROLES: Mapping[str, tuple[str, str]] = {
    _CNI: ("aws-node", CNI),
    _EBS: ("ebs-csi-controller-sa", EBS),
    _EFS: ("efs-csi-controller-sa", EFS),
}
_FIRST = {_AGENT, _CNI, _PROXY}


@dataclass(frozen=True, slots=True)
class EksAddonPlan:
    """One add-on."""

    name: str
    """As EKS calls it."""
    version: str
    values: str | None
    """What it is told, as JSON."""
    service_account: str | None
    """Takes `role` through Pod Identity; None where it needs no AWS."""
    role: str | None
    """Name of its role's plan."""
    is_before_nodes: bool
    """Whether a node needs it to become ready; the others need nodes to become ready."""
    tags: Mapping[str, str]


def plan_eks_addons(scope: Scope, version: str, *, needs_efs: bool) -> tuple[EksAddonPlan, ...]:
    """The add-ons of a cluster of that Kubernetes version, sorted by name."""
    return tuple(
        _addon(scope, name, pinned)
        for name, pinned in sorted(VERSIONS[version].items())
        if needs_efs or name != _EFS
    )


def _addon(scope: Scope, name: str, version: str) -> EksAddonPlan:
    account, role = _ROLES.get(name, (None, None))
    return EksAddonPlan(
        name=name,
        version=version,
        values=_values(scope, name),
        service_account=account,
        role=role,
        is_before_nodes=name in _FIRST,
        tags=scope.tagged(name),
    )


def _values(scope: Scope, name: str) -> str | None:
    values: Mapping[str, dict[str, Any]] = {
        # Without it every NetworkPolicy is accepted and none is obeyed.
        _CNI: {"enableNetworkPolicy": "true"},
        _COREDNS: {"podDisruptionBudget": {"enabled": True, "maxUnavailable": 1}, "replicaCount": 2},
        _EBS: {
            "controller": {"extraVolumeTags": dict(_volume_tags(scope.tags))},
            # The one that encrypts with the stack's key is made with the platform.
            "defaultStorageClass": {"enabled": False},
        },
    }
    return json.dumps(values[name], sort_keys=True) if name in values else None


def _volume_tags(tags: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """The tags that the driver can be given: it reads them as one list of key=value."""
    return ((key, value) for key, value in sorted(tags.items()) if "=" not in key + value)
