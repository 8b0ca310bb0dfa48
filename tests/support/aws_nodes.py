"""Nodes of the AWS backend for made-up endpoints, and what a component registers for them."""

import json
import subprocess
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from support.aws_scope import scope_for

from infra.plan.aws.fitting import HARDWARE_LABEL
from infra.plan.aws.karpenter import KarpenterPlan, plan_karpenter
from infra.plan.aws.nodes import ManagedGroupPlan, plan_node_groups
from infra.plan.aws.scope import Scope
from infra.plan.gpu_nodes import node_groups
from infra.plan.values import NodeGroupPlan
from infra.spec.hardware import CATALOGUE
from infra.spec.load import load
from infra.spec.stack import Nodes
from infra.spec.stack_aws import Aws

ROOT = Path(__file__).parent.parent.parent
SECONDS = 50
"""Longest that a recording may take; about 3 s on two idle cores."""
USED = st.dictionaries(st.sampled_from(sorted(CATALOGUE)), st.integers(1, 20), min_size=1, max_size=4)
"""Name of the hardware catalogue to the most replicas on it."""
_PROGRAM = """
import json
from google.protobuf.json_format import MessageToDict
from pulumi.runtime import mocks
from pulumi.runtime.proto import resource_pb2
from pulumi.runtime.stack import run_pulumi_func
from pulumi.runtime.sync_await import _sync_await

MADE = {
    "aws:eks/nodeGroup:NodeGroup": {"resources": [{"autoscalingGroups": [{"name": "eks-asg"}]}]},
    "aws:ec2/launchTemplate:LaunchTemplate": {"latestVersion": 3},
}

class Monitor(mocks.MockMonitor):
    seen = []
    def RegisterResource(self, request):
        self.seen.append({"type": request.type, "name": request.name, "ignored": list(request.ignoreChanges),
                          "inputs": MessageToDict(request.object),
                          "after": [urn.rpartition("::")[2] for urn in request.dependencies]})
        request.object.update({"arn": "arn-of-" + request.name, **MADE.get(request.type, {})})
        urn = self.make_urn(request.parent, request.type, request.name)
        return resource_pb2.RegisterResourceResponse(urn=urn, id=request.name, object=request.object)

class Nobody(mocks.Mocks):
    def new_resource(self, args): raise NotImplementedError
    def call(self, args): raise NotImplementedError

mocks.set_mocks(Nobody(), preview=False, monitor=Monitor(Nobody()))
from support.aws_nodes import groups_for, karpenter_for
from components.aws.karpenter import Karpenter
from components.aws.node_group import EksNodeGroup

def build():
    BUILD

_sync_await(run_pulumi_func(build))
print(json.dumps(Monitor.seen))
"""


def account(**capacity: Any) -> tuple[Scope, Aws]:
    """A stack with that capacity, and `cold_start` where it is given."""
    return scope_for(cold_start=capacity.pop("cold_start", {}), capacity=capacity)


def used(replicas: dict[str, int], nodes: dict[str, Nodes] | None = None) -> tuple[NodeGroupPlan, ...]:
    """The nodes that endpoints mean; replicas find them by the hardware's label, or by what `nodes` says."""
    known = _every_group() if nodes is None else _read_groups(nodes)
    return tuple(replace(known[name], replicas=most) for name, most in sorted(replicas.items()))


def groups_for(replicas: dict[str, int], grace: int = 600, **capacity: Any) -> tuple[ManagedGroupPlan, ...]:
    """The managed groups of endpoints."""
    return plan_node_groups(*account(**capacity), used(replicas), grace)


def karpenter_for(replicas: dict[str, int], grace: int = 600, **capacity: Any) -> KarpenterPlan:
    """Karpenter for endpoints."""
    plan = plan_karpenter(*account(autoscaler="karpenter", **capacity), used(replicas), grace)
    assert plan is not None
    return plan


def registered(build: str) -> list[dict[str, Any]]:
    """All that a line of program registers, in a process of its own: Pulumi keeps its state in the module."""
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM.replace("BUILD", build)],
        cwd=ROOT,
        env={"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    seen: list[dict[str, Any]] = json.loads(done.stdout)
    return seen


@cache
def _every_group() -> dict[str, NodeGroupPlan]:
    return _read_groups({name: Nodes(selector={HARDWARE_LABEL: name}) for name in CATALOGUE})


def _read_groups(nodes: dict[str, Nodes]) -> dict[str, NodeGroupPlan]:
    endpoints = [
        {"name": f"e{index}", "image": "a/b:1", "hardware": name} for index, name in enumerate(CATALOGUE)
    ]
    spec = load(json.dumps({"account": "acme", "endpoints": endpoints}), "endpoints.yaml", {})
    return {group.hardware: group for group in node_groups(spec.endpoints, nodes)}
