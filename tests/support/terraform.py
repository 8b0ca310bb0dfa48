"""Writes recorded AWS resources down as Terraform, for tools that read nothing of Pulumi's.

Pulumi's AWS provider is made from Terraform's: names are the same in another case, and lists of objects have
plural names. What is an object and what a map, the SDK's own types say. HCL and not Terraform's JSON, of which
checkov's checks understand only a part. Source: pulumi/pulumi-aws, provider/resources.go, 2026-11.
"""

import json
import re
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pulumi._types import is_input_type
from support.aws_types import TOKEN, Argument, args_class, arguments, flat_types

from infra.plan.recording import Resource

MODULES: Mapping[str, str] = {"amp": "prometheus_", "costexplorer": "ce_", "ec2": "", "rds": "db_"}
"""How names of a module begin where not with the module's own."""
TYPES: Mapping[str, str] = {
    "aws:autoscaling/tag:Tag": "aws_autoscaling_group_tag",
    "aws:lb/loadBalancer:LoadBalancer": "aws_lb",
}
NAMES: Mapping[str, str] = {
    "aliases": "alias",
    "appliedFors": "applied_for",
    "blockDeviceMappings": "block_device_mappings",
    "networkInterfaces": "network_interfaces",
    "tagSpecifications": "tag_specifications",
}
"""Lists whose Terraform name no rule gives."""
WITHIN: Mapping[str, str] = {
    "certificateAuthority.data": "{}.certificate_authority[0].data",
    "domainValidationOptions.0.resourceRecordName": "tolist({}.domain_validation_options)[0].resource_record_name",
    "domainValidationOptions.0.resourceRecordType": "tolist({}.domain_validation_options)[0].resource_record_type",
    "domainValidationOptions.0.resourceRecordValue": "tolist({}.domain_validation_options)[0].resource_record_value",
    "masterUserSecrets.0.secretArn": "{}.master_user_secret[0].secret_arn",
    "resources.0.autoscalingGroups.0.name": "{}.resources[0].autoscaling_groups[0].name",
    "vpcConfig.clusterSecurityGroupId": "{}.vpc_config[0].cluster_security_group_id",
}
"""Outputs within outputs, and the expression for each."""
EMPTY = frozenset({"egress", "ingress"})
"""Lists of objects of which an empty one says more than none."""


@dataclass(frozen=True, slots=True)
class Block:
    """One resource in Terraform's words; nested objects are Blocks in a list, references are Expressions."""

    type: str
    name: str
    body: Mapping[str, Any]
    depends_on: tuple[str, ...]
    """Addresses, sorted."""

    @property
    def address(self) -> str:
        """As Terraform and its tools call it."""
        return f"{self.type}.{self.name}"


class Expression(str):
    """What stands in HCL without quotes."""

    __slots__ = ()


class Objects(list[Mapping[str, Any]]):
    """Nested objects, each a block of its own."""


def terraform(resources: Iterable[Resource], told: Callable[[Resource], Mapping[str, Any]]) -> list[Block]:
    """The `aws:` resources among those given, sorted by address.

    Args:
        resources: of one recording.
        told: what the recorder said that a resource has become, in Pulumi's case. Where another resource's
            input holds such an output, a reference is written.
    """
    own = {f"{each.type}::{each.name}": each for each in resources if each.type.startswith("aws:")}
    outputs = {key: dict(_outputs(each, told(each))) for key, each in own.items()}
    # An ARN is told apart from all others, and may have been handed on; other text means something only where
    # the resource depends on what it came from.
    arns = {
        text: found for each in outputs.values() for text, found in each.items() if text.startswith("arn:")
    }
    blocks = []
    for each in own.values():
        needed = [own[key] for key in each.dependencies if key in own]
        near = {text: found for key in each.dependencies for text, found in outputs.get(key, {}).items()}
        own_arns = outputs[f"{each.type}::{each.name}"]
        known = {text: found for text, found in (arns | near).items() if text not in own_arns}
        body = _body(args_class(each.type), each.inputs, known)
        depends_on = tuple(sorted({address_of(other) for other in needed}))
        blocks.append(Block(terraform_type(each.type), local_name(each.name), body, depends_on))
    return sorted(blocks, key=lambda block: block.address)


def terraform_type(token: str) -> str:
    """The Terraform type of a Pulumi type."""
    parts = TOKEN.fullmatch(token)
    assert parts is not None, token
    prefix = MODULES.get(parts["module"], f"{parts['module']}_")
    return TYPES.get(token, f"aws_{prefix}{snake(parts['leaf'])}")


def local_name(name: str) -> str:
    """A resource's name within its type."""
    return re.sub(r"\W", "_", name, flags=re.ASCII)


def address_of(resource: Resource) -> str:
    """How Terraform calls a resource."""
    return f"{terraform_type(resource.type)}.{local_name(resource.name)}"


def snake(name: str) -> str:
    """Pulumi's case into Terraform's: each capital begins a word."""
    return re.sub(r"(?=[A-Z])", "_", name).lower()


def singular(name: str) -> str:
    """The name of one of a list."""
    return re.sub(r"ies$", "y", name) if name.endswith("ies") else re.sub(r"(?<!s)s$", "", name)


def fitted(blocks: Iterable[Block], schemas: Mapping[str, Any]) -> tuple[list[Block], set[str]]:
    """Blocks without what a provider does not know yet, and what that was, as `aws_eks_cluster.name`.

    Args:
        blocks: as `terraform` makes them.
        schemas: of the provider's resources, as `terraform providers schema -json` tells them.
    """
    unknown: set[str] = set()
    kept = []
    for each in blocks:
        body = _fitted(each.body, schemas[each.type]["block"], each.type, unknown)
        kept.append(replace(each, body=body))
    return kept, unknown


def _fitted(
    body: Mapping[str, Any], schema: Mapping[str, Any], path: str, unknown: set[str]
) -> dict[str, Any]:
    blocks = schema.get("block_types", {})
    unknown |= {f"{path}.{name}" for name in body if name not in schema.get("attributes", {}) | blocks}
    return {
        name: Objects(_fitted(item, blocks[name]["block"], f"{path}.{name}", unknown) for item in value)
        if isinstance(value, Objects) and name in blocks
        else value
        for name, value in body.items()
        if f"{path}.{name}" not in unknown
    }


def without(blocks: Iterable[Block], types: Container[str]) -> list[Block]:
    """Blocks but for those of some types, and but for those that refer to such a one."""
    kept = list(blocks)
    gone = {each.address for each in kept if each.type in types}
    while True:
        of_gone = (
            re.compile(rf"\b(?:{'|'.join(map(re.escape, sorted(gone)))})\b") if gone else re.compile("$^")
        )
        more = {
            each.address for each in kept if each.address not in gone and of_gone.search(_text_of(each.body))
        }
        if not more:
            break
        gone |= more
    left = (each for each in kept if each.address not in gone)
    return [replace(each, depends_on=tuple(a for a in each.depends_on if a not in gone)) for each in left]


def _text_of(body: Mapping[str, Any]) -> str:
    return "\n".join(_lines(body, ""))


def hcl(blocks: Iterable[Block]) -> str:
    """Blocks as text."""
    return "\n".join(_resource_text(block) for block in blocks)


def _outputs(resource: Resource, told: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Text that only AWS, or Pulumi, could give a resource, and the expression for it."""
    yield resource.name, f"{address_of(resource)}.id"
    for path, text in _leaves(told):
        if path in resource.inputs:
            continue
        if path in WITHIN:
            yield text, WITHIN[path].format(address_of(resource))
        elif "." not in path:
            yield text, f"{address_of(resource)}.{snake(path)}"


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    inner = (
        value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()
    )
    for key, item in inner:
        yield from _leaves(item, f"{path}.{key}" if path else str(key))
    if isinstance(value, str):
        yield path, value


def _body(wanted: type, inputs: Mapping[str, Any], told: Mapping[str, str]) -> dict[str, Any]:
    known = arguments(wanted)
    return dict(_argument(name, known[name], value, told) for name, value in sorted(inputs.items()))


def _argument(name: str, argument: Argument, value: Any, told: Mapping[str, str]) -> tuple[str, Any]:
    inner = next((each for each in flat_types(argument.types) if is_input_type(each)), None)
    plain = NAMES.get(name, snake(name))
    if inner is None or isinstance(value, str):  # a policy may be an object or its text
        return plain, _plain(value, told)
    if isinstance(value, Mapping):
        return plain, Objects([_body(inner, value, told)])
    found = plain if name in NAMES else singular(plain)
    return found, Objects(_body(inner, item, told) for item in value)


def _plain(value: Any, told: Mapping[str, str]) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item, told) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item, told) for item in value]
    if not isinstance(value, str):
        return value
    if value in told:
        return Expression(told[value])
    if value.startswith(("{", "[{")) and _is_json(value):
        return Expression(f"jsonencode({_text(_plain(json.loads(value), told))})")
    return _filled(value, told)


def _filled(value: str, told: Mapping[str, str]) -> str:
    """Text with references in it. Names of resources are too short to look for: only ARNs and addresses."""
    parts = [
        text for text in sorted(told, key=len, reverse=True) if re.search(r"[:/.]", text) and text in value
    ]
    if not parts:
        return value
    pattern = "|".join(re.escape(text) for text in parts)
    pieces = re.split(f"({pattern})", value)
    inside = "".join(f"${{{told[piece]}}}" if piece in told else _quoted(piece) for piece in pieces)
    return Expression(f'"{inside}"')


def _is_json(value: str) -> bool:
    try:
        json.loads(value)
    except ValueError:
        return False
    return True


def _resource_text(block: Block) -> str:
    lines = list(_lines(block.body, "  "))
    if block.depends_on:
        lines.append(f"  depends_on = [{', '.join(block.depends_on)}]")
    return "\n".join([f'resource "{block.type}" "{block.name}" {{', *lines, "}", ""])


def _lines(body: Mapping[str, Any], indent: str) -> Iterator[str]:
    for name, value in body.items():
        if not isinstance(value, Objects) or (not value and name in EMPTY):
            yield f"{indent}{name} = {_text(value)}"
            continue
        for item in value:
            yield f"{indent}{name} {{"
            yield from _lines(item, indent + "  ")
            yield f"{indent}}}"


def _text(value: Any) -> str:
    if isinstance(value, Expression):
        return str(value)
    if isinstance(value, Mapping):
        inside = ", ".join(f'"{_quoted(key)}" = {_text(item)}' for key, item in value.items())
        return f"{{{inside}}}"
    if isinstance(value, list):
        return f"[{', '.join(_text(item) for item in value)}]"
    if isinstance(value, str):
        return f'"{_quoted(value)}"'
    return json.dumps(value)


def _quoted(text: str) -> str:
    """Text within quotes; what HCL would take for a template is none."""
    inside = json.dumps(text, ensure_ascii=False)[1:-1]
    return re.sub(r"([$%])\{", r"\1\1{", inside)
