"""Runs the real program without an engine and writes down every resource it registers.

`python -m infra.record --stack NAME [--project DIR]` prints the recording as JSON. Nothing is asked of any
cluster or cloud, and no secret's value is needed: each counts as set where the stack file has it.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pulumi
from google.protobuf import struct_pb2
from google.protobuf.json_format import MessageToDict
from pulumi.runtime import config as pulumi_config
from pulumi.runtime import mocks
from pulumi.runtime.proto import resource_pb2
from pulumi.runtime.stack import run_pulumi_func
from pulumi.runtime.sync_await import _sync_await

from infra.__main__ import main as program
from infra.brief import live_briefly
from infra.cluster import Unseen
from infra.plan.facts import Facts, facts_of
from infra.plan.recording import Recording, Resource
from infra.project import read_stack
from infra.spec.errors import SpecError
from infra.spec.load_stack import PREFIX, PROJECT, SECRETS
from infra.spec.source import decode, parse

MASK = "[secret]"
UNKNOWN = "[unknown]"
GENERATED = "generated-in-the-state"
"""Stands for what Pulumi's random provider makes."""
_RANDOM = "random:index/randomPassword:RandomPassword"
_KUBERNETES = "kubernetes:"
_AWS = "aws:"
_NAME_OF_ASG = "generated-group"
_ANSWERS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "aws:acm/certificate:Certificate": {
            "domainValidationOptions": [
                {
                    "resourceRecordName": "_proof",
                    "resourceRecordType": "CNAME",
                    "resourceRecordValue": "_proof.acm-validations.aws",
                }
            ]
        },
        "aws:ec2/launchTemplate:LaunchTemplate": {"latestVersion": 1},
        "aws:eks/cluster:Cluster": {
            "certificateAuthority": {"data": "Y2VydGlmaWNhdGU="},
            "endpoint": "https://generated.eks.amazonaws.com",
            "vpcConfig": {"clusterSecurityGroupId": "sg-0generated"},
        },
        "aws:eks/nodeGroup:NodeGroup": {"resources": [{"autoscalingGroups": [{"name": _NAME_OF_ASG}]}]},
        "aws:elasticache/replicationGroup:ReplicationGroup": {
            "configurationEndpointAddress": "generated.cache.amazonaws.com"
        },
        "aws:lb/loadBalancer:LoadBalancer": {
            "dnsName": "generated.elb.amazonaws.com",
            "zoneId": "Z0GENERATED",
        },
        "aws:rds/instance:Instance": {
            "endpoint": "generated.rds.amazonaws.com:5432",
            "masterUserSecrets": [{"secretArn": "arn:aws:secretsmanager:generated"}],
        },
        "aws:route53/record:Record": {"fqdn": "_proof.generated"},
        "aws:route53/zone:Zone": {"nameServers": ["ns.generated"], "zoneId": "Z0GENERATED"},
    }
)
"""What AWS alone could tell of a resource, as far as the program reads it."""
# How Pulumi marks values on the wire. Source: sdk/python/lib/pulumi/runtime/rpc.py, 3.272.
_SIGNATURE = "4dabf18193072939515e22adb298388d"
_SECRET = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 - a mark, no secret
_UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"


class _Nobody(mocks.Mocks):
    """Refuses: a recording asks nothing of anybody."""

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str | None, dict[Any, Any]]:
        """Refuse to read what is there already."""
        raise NotImplementedError(f"the program reads from the cloud: {args.typ}")

    def call(self, args: mocks.MockCallArgs) -> tuple[dict[Any, Any], list[tuple[str, str]] | None]:
        """Refuse to look something up."""
        raise NotImplementedError(f"the program asks the cloud: {args.token}")


class _Recorder(mocks.MockMonitor):
    """A monitor that keeps what each registration says."""

    def __init__(self) -> None:
        super().__init__(_Nobody())
        self.seen: list[Resource] = []

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802 - the protocol's own name
        """Keep a registration and answer it."""
        if request.type != "pulumi:pulumi:Stack":
            self.seen.append(
                Resource(
                    type=request.type,
                    name=request.name,
                    parent=_place(request.parent),
                    inputs=_plain(MessageToDict(request.object)),
                    dependencies=tuple(sorted({_place(urn) for urn in request.dependencies})),
                    protect=request.protect,
                    aliases=tuple(sorted({_alias(alias) for alias in request.aliases})),
                    retained=request.retainOnDelete,
                    ignored=tuple(sorted(request.ignoreChanges)),
                    provider=_provider(request.provider),
                )
            )
        urn = self.make_urn(request.parent, request.type, request.name)
        return resource_pb2.RegisterResourceResponse(urn=urn, id=request.name, object=_state(request))


def record(project: Path, stack: str) -> Recording:
    """Run the program for a stack of a project.

    Raises:
        SpecError: the project or the stack file is wrong.
        pulumi.RunError: the program refuses.
    """
    monitor = _Recorder()
    read_stack(project, stack)  # for its faults with their lines
    mocks.set_mocks(_Nobody(), project=PROJECT, stack=stack, preview=False, monitor=monitor)
    _give_config(project, stack)
    seen: list[Facts] = []
    _sync_await(run_pulumi_func(lambda: seen.append(facts_of(*program(project, Unseen())))))
    ordered = sorted(monitor.seen, key=lambda each: each.key)
    return Recording(stack, tuple(ordered), seen[0])


def _state(request: Any) -> struct_pb2.Struct:
    """What the program is told that a resource has become: its inputs.

    Of an object in the cluster only name and namespace: the program reads no more of it, and Pulumi takes
    longer to turn the rest into its types than for anything else.
    """
    state = struct_pb2.Struct()
    state.CopyFrom(request.object)
    if request.type == _RANDOM:
        state["result"] = GENERATED
    if request.type.startswith(_AWS):
        state.update({"arn": f"arn:aws:generated:{request.name}", **_ANSWERS.get(request.type, {})})
    if request.type.startswith(_KUBERNETES):
        for key, value in request.object.fields.items():
            # Not null: what an answer lacks, Pulumi takes from the inputs, whole.
            match value.WhichOneof("kind"):
                case "struct_value":
                    state[key] = _place_of(value.struct_value) if key == "metadata" else {}
                case "list_value":
                    state[key] = []
    return state


def _place_of(metadata: struct_pb2.Struct) -> dict[str, str]:
    return {key: metadata[key] for key in ("name", "namespace") if key in metadata}


def _give_config(project: Path, stack: str) -> None:
    """What the engine would tell the program of the stack file: text as it is, all else as JSON."""
    path = project / "stacks" / f"Pulumi.{stack}.yaml"
    value = parse(decode(path.read_bytes(), path.name), path.name).value
    config = {key: item for key, item in value["config"].items() if key.startswith(PREFIX)}
    secret = [key for key in config if key.startswith(f"{PREFIX}{SECRETS}")]
    given = {key: item if isinstance(item, str) else json.dumps(item) for key, item in config.items()}
    pulumi_config.set_all_config(given | dict.fromkeys(secret, MASK), secret)


def _place(urn: str) -> str:
    """`type::name` of a URN; empty for the stack."""
    if not urn:
        return ""
    *_, types, name = urn.split("::", 3)
    own = types.rpartition("$")[2]
    return "" if own == "pulumi:pulumi:Stack" else f"{own}::{name}"


def _provider(reference: str) -> str:
    """Name of a provider, which is told as `urn::id`."""
    return reference.rpartition("::")[0].rpartition("::")[2]


def _alias(alias: Any) -> str:
    """The identity that a resource once had, as far as it differs: `type::name`, or a whole URN."""
    return str(alias.urn) or f"{alias.spec.type}::{alias.spec.name}"


def _plain(value: Any) -> Any:
    """Inputs as JSON: whole numbers as such, secrets masked."""
    if isinstance(value, dict):
        if value.get(_SIGNATURE) == _SECRET:
            return MASK
        return {key: _plain(item) for key, item in sorted(value.items())}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return UNKNOWN if value == _UNKNOWN else value


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a recording; 1 with the faults on stderr where there are some."""
    parser = argparse.ArgumentParser(prog="python -m infra.record", description=__doc__)
    parser.add_argument("--stack", required=True)
    parser.add_argument("--project", type=Path, default=Path())
    chosen = parser.parse_args(arguments)
    try:
        sys.stdout.write(record(chosen.project, chosen.stack).to_json() + "\n")
    except (SpecError, pulumi.RunError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    live_briefly()
    sys.exit(main())
