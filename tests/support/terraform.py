"""Writes recorded AWS resources down as Terraform, for tools that read nothing of Pulumi's.

Pulumi's AWS provider is made from Terraform's: names are the same in another case, and lists of objects have
plural names. What is an object and what a map, the SDK's own types say. HCL and not Terraform's JSON, of which
checkov's checks understand only a part. Source: pulumi/pulumi-aws, provider/resources.go, 2026-11.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
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
PLURALS = frozenset(
    {
        ("aws_launch_template", "block_device_mappings"),
        ("aws_launch_template", "network_interfaces"),
        ("aws_launch_template", "tag_specifications"),
    }
)
"""Lists of objects that Terraform has in the plural too."""
SINGULARS: Mapping[str, str] = {"aliases": "alias", "appliedFors": "applied_for"}
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


def terraform(resources: Iterable[Resource], outputs: Mapping[str, Mapping[str, str]]) -> list[Block]:
    """The `aws:` resources among those given, sorted by address.

    Args:
        resources: of one recording.
        outputs: by `type::name`, what the recorder told the program of a resource beyond its inputs: text by
            output, in Pulumi's case. Where another resource's input holds it, a reference is written.
    """
    own = {f"{each.type}::{each.name}": each for each in resources if each.type.startswith("aws:")}
    blocks = []
    for each in own.values():
        needed = [own[key] for key in each.dependencies if key in own]
        told = dict(sorted(_references(needed, outputs), key=lambda pair: len(pair[0]), reverse=True))
        body = _body(terraform_type(each.type), args_class(each.type), each.inputs, told)
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


def hcl(blocks: Iterable[Block]) -> str:
    """Blocks as text."""
    return "\n".join(_resource_text(block) for block in blocks)


def _references(
    needed: Sequence[Resource], outputs: Mapping[str, Mapping[str, str]]
) -> Iterator[tuple[str, str]]:
    """What text stands for which output of the resources that one depends on."""
    for each in needed:
        yield each.name, f"{address_of(each)}.id"
        for output, text in outputs.get(f"{each.type}::{each.name}", {}).items():
            yield text, f"{address_of(each)}.{snake(output)}"


def _body(of: str, wanted: type, inputs: Mapping[str, Any], told: Mapping[str, str]) -> dict[str, Any]:
    known = arguments(wanted)
    return dict(_argument(of, name, known[name], value, told) for name, value in sorted(inputs.items()))


def _argument(
    of: str, name: str, argument: Argument, value: Any, told: Mapping[str, str]
) -> tuple[str, Any]:
    inner = next((each for each in flat_types(argument.types) if is_input_type(each)), None)
    plain = SINGULARS.get(name, snake(name))
    if inner is None or isinstance(value, str):  # a policy may be an object or its text
        return plain, _plain(value, told)
    if isinstance(value, Mapping):
        return plain, Objects([_body(of, inner, value, told)])
    found = plain if (of, plain) in PLURALS else singular(plain)
    return found, Objects(_body(of, inner, item, told) for item in value)


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
    parts = [(text, reference) for text, reference in told.items() if re.search(r"[:/.]", text)]
    if not any(text in value for text, _ in parts):
        return value
    pattern = "|".join(re.escape(text) for text, _ in parts)
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
