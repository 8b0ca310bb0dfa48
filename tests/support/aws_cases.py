"""Which recordings the checks of the AWS backend look at, and as what."""

from collections.abc import Mapping
from typing import Any

from google.protobuf.json_format import MessageToDict
from pulumi.runtime.proto import resource_pb2
from support.recordings import GOLDEN, ROOT
from support.terraform import Block, terraform

from infra import record as recorder
from infra.plan.recording import Recording, Resource

CASES = sorted(
    [
        *(path.parent.name for path in GOLDEN.glob("aws-*/Pulumi.prod.yaml")),
        *(
            f"stack-{path.name.split('.')[1]}"
            for path in ROOT.glob("stacks/Pulumi.*.yaml")
            if "moorage:backend: aws" in path.read_text("utf-8")
        ),
    ]
)
"""Golden cases and this repository's stacks whose backend is `aws`."""


def aws_resources(recording: Recording) -> list[Resource]:
    """What is made in the account, sorted by key."""
    return [each for each in recording.resources if each.type.startswith("aws:")]


def told(resource: Resource) -> Mapping[str, Any]:
    """What the recorder said to the program that a resource has become."""
    request = resource_pb2.RegisterResourceRequest(type=resource.type, name=resource.name)
    request.object.update(resource.inputs)
    return dict(MessageToDict(recorder._state(request)))


def aws_blocks(recording: Recording) -> list[Block]:
    """What is made in the account, as Terraform's."""
    return terraform(aws_resources(recording), told)
