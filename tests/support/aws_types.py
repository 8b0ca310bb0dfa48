"""Holds recorded inputs against the signatures of Pulumi's AWS SDK, at every depth.

The SDK's own `Args` classes know each argument's name, type and whether it must be given, and say in words
which values some of them take. Nothing of that is written down here a second time.
"""

import inspect
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from functools import cache
from importlib import import_module
from typing import Any, NamedTuple, get_args, get_origin, get_type_hints

from pulumi import Output
from pulumi._types import input_type_py_to_pulumi_names, is_input_type

from components.aws.sdk import import_modules_alone
from infra.plan.recording import Resource

HIDDEN = ("[secret]", "[unknown]")
"""What a recording shows of values that it must not, or cannot, know: `infra.record.MASK` and `UNKNOWN`."""
TOKEN = re.compile(r"aws:(?P<module>\w+)/(?P<leaf>\w+):(?P<name>\w+)")
LISTED = re.compile(
    r"[Vv]alid values(?: are| include|: One of)?:?(?P<values>(?:[\s,]|and|or|\"|`[^`]+`\"?|\([^)]*\))+)"
)
"""A sentence that names every value that an argument takes, each in backticks."""
SCALARS: Mapping[type, tuple[type, ...]] = {str: (str,), bool: (bool,), int: (int,), float: (int, float)}


class Fault(NamedTuple):
    """What the SDK would not take."""

    resource: str
    path: str
    """Of the argument, as `vpcConfig.subnetIds[0]`."""
    says: str


class Argument(NamedTuple):
    """One argument of a resource or of an object within one."""

    types: tuple[Any, ...]
    is_required: bool
    is_deprecated: bool
    values: frozenset[str]
    """Those that the SDK's own words allow; empty where they tell none, or not all."""


def faults(resource: Resource) -> Iterator[Fault]:
    """All that is wrong with a resource's inputs."""
    label = f"{resource.type}::{resource.name}"
    try:
        wanted = args_class(resource.type)
    except LookupError as error:
        yield Fault(label, "", str(error))
        return
    for path, says in _object(wanted, resource.inputs, ""):
        yield Fault(label, path, says)


@cache
def args_class(token: str) -> type:
    """The class of a resource's arguments; only the one module that defines it is imported.

    Raises:
        LookupError: the SDK has no such resource.
    """
    parts = TOKEN.fullmatch(token)
    if parts is None:
        raise LookupError(f"{token} is no type of the AWS provider")
    import_modules_alone()
    leaf = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", parts["leaf"]).lower()
    try:
        with warnings.catch_warnings():
            # Classes of its own that it keeps for a while.
            warnings.simplefilter("ignore", DeprecationWarning)
            module = import_module(f"pulumi_aws.{parts['module']}.{leaf}")
    except ModuleNotFoundError as error:
        raise LookupError(f"the SDK has no {token}") from error
    # Where an object of another resource has taken the plain name, the SDK says Init.
    for name in (f"{parts['name']}InitArgs", f"{parts['name']}Args"):
        found = vars(module).get(name)
        if inspect.isclass(found) and found.__module__ == module.__name__:
            return found
    raise LookupError(f"the SDK has no {token}")


@cache
def arguments(wanted: type) -> Mapping[str, Argument]:
    """What an `Args` class takes, by Pulumi's own name."""
    # `Input` itself is written with two names that only pulumi's own module has.
    space = {**vars(import_module(wanted.__module__)), "Output": Output, "T": type(None)}
    hints = get_type_hints(vars(wanted)["__init__"], globalns=space)
    given = inspect.signature(vars(wanted)["__init__"]).parameters
    found = {}
    for python_name, name in input_type_py_to_pulumi_names(wanted).items():
        getter = inspect.getattr_static(wanted, python_name).fget
        found[name] = Argument(
            types=tuple(_types(hints[python_name])),
            is_required=given[python_name].default is inspect.Parameter.empty,
            is_deprecated="_pulumi_deprecated_callable" in vars(getter),
            values=listed_values(getter.__doc__ or ""),
        )
    return found


def listed_values(text: str) -> frozenset[str]:
    """The values that a description lists as the valid ones."""
    found = LISTED.search(text)
    if found is None:
        return frozenset()
    rest = text[found.end() :].lstrip(" \"'")
    values = frozenset(re.findall(r"`\"?([^`\"]+)\"?`", re.sub(r"\([^)]*\)", "", found["values"])))
    is_whole = not rest or rest[0] in ".\n;" or found["values"].rstrip().endswith(".")
    return values if is_whole and len(values) > 1 else frozenset()


def checked_values(resource: Resource) -> Iterator[tuple[str, str]]:
    """Arguments at any depth whose value was held against such a list, as (path, value)."""
    for path, argument, value in _walk(args_class(resource.type), resource.inputs, ""):
        if argument.values and isinstance(value, str) and value not in HIDDEN:
            yield path, value


def _walk(wanted: type, value: Mapping[str, Any], path: str) -> Iterator[tuple[str, Argument, Any]]:
    known = arguments(wanted)
    for name in sorted(value.keys() & known.keys()):
        items = value[name] if isinstance(value[name], list) else [value[name]]
        for item in items:
            yield _join(path, name), known[name], item
            inner = [each for each in flat_types(known[name].types) if is_input_type(each)]
            if inner and isinstance(item, Mapping):
                yield from _walk(inner[0], item, _join(path, name))


def _object(wanted: type, value: Mapping[str, Any], path: str) -> Iterator[tuple[str, str]]:
    known = arguments(wanted)
    for name in sorted(known.keys() - value.keys()):
        if known[name].is_required:
            yield _join(path, name), f"is required by {wanted.__name__}"
    for name, item in sorted(value.items()):
        if name not in known:
            near = ", ".join(get_close_matches(name, known)) or "none"
            yield _join(path, name), f"is no argument of {wanted.__name__}; near names: {near}"
        elif known[name].is_deprecated:
            yield _join(path, name), f"is deprecated in {wanted.__name__}"
        else:
            yield from _value(known[name], item, _join(path, name))


def _value(argument: Argument, value: Any, path: str) -> Iterator[tuple[str, str]]:
    if value in HIDDEN:
        return
    if isinstance(value, Mapping):
        yield from _mapping(argument, value, path)
    elif isinstance(value, list):
        yield from _list(argument, value, path)
    elif not any(type(value) in SCALARS.get(each, ()) for each in argument.types):
        yield path, f"{value!r} is not {_names(argument)}"
    elif argument.values and isinstance(value, str) and value not in argument.values:
        yield path, f"{value!r} is none of {', '.join(sorted(argument.values))}"


def _mapping(argument: Argument, value: Mapping[str, Any], path: str) -> Iterator[tuple[str, str]]:
    for each in argument.types:
        if is_input_type(each):
            yield from _object(each, value, path)
            return
        if get_origin(each) is not None and issubclass(get_origin(each), Mapping):
            inner = argument._replace(types=tuple(_types(get_args(each)[1])))
            for name, item in sorted(value.items()):
                yield from _value(inner, item, _join(path, name))
            return
    yield path, f"an object is not {_names(argument)}"


def _list(argument: Argument, value: Sequence[Any], path: str) -> Iterator[tuple[str, str]]:
    for each in argument.types:
        if get_origin(each) is not None and issubclass(get_origin(each), Sequence):
            inner = argument._replace(types=tuple(_types(get_args(each)[0])))
            for index, item in enumerate(value):
                yield from _value(inner, item, f"{path}[{index}]")
            return
    yield path, f"a list is not {_names(argument)}"


def _types(hint: Any) -> Iterator[Any]:
    """The plain types of an `Input[…]`: neither what is awaited, nor None."""
    members = get_args(hint) if get_origin(hint) is not None and not _is_container(hint) else (hint,)
    for each in members:
        if each is type(None) or getattr(get_origin(each), "__name__", "") in {"Awaitable", "Output"}:
            continue
        if get_origin(each) is None or _is_container(each):
            yield each
        else:
            yield from _types(each)


def flat_types(types: Sequence[Any]) -> Iterator[Any]:
    """Types, and those of the items of lists."""
    for each in types:
        if _is_container(each):
            yield from _types(get_args(each)[0])
        else:
            yield each


def _is_container(hint: Any) -> bool:
    origin = get_origin(hint)
    return inspect.isclass(origin) and issubclass(origin, (Mapping, Sequence))


def _names(argument: Argument) -> str:
    return " or ".join(getattr(each, "__name__", str(each)) for each in argument.types)


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
