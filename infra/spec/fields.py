"""The shape of the format, asked for by path: which keys stand where, with their examples."""

from collections.abc import Iterator
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from infra.spec.wording import Path


def _plain(annotation: Any) -> Any:
    """The type itself, without metadata and without None."""
    while get_origin(annotation) in (Annotated, Union, UnionType):
        parts = get_args(annotation)
        kept = [part for part in parts if part is not NoneType]
        annotation = kept[0]
    return annotation


def _item_type(annotation: Any) -> Any:
    """Of a mapping its values' type, of a list its items'; else nothing."""
    arguments = get_args(annotation)
    if get_origin(annotation) is dict:
        return _plain(arguments[1])
    return _plain(arguments[0]) if get_origin(annotation) is tuple else None


def is_model(annotation: Any) -> bool:
    """Whether it is a mapping with known keys."""
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def type_at(root: type[BaseModel], path: Path) -> Any:
    """The type of what stands at a path; None where nothing is known of it."""
    here: Any = root
    for step in path:
        if is_model(here):
            info = here.model_fields.get(step)
            here = _plain(info.annotation) if info else None
        else:
            here = _item_type(here)
    return here


def field_at(root: type[BaseModel], path: Path) -> FieldInfo | None:
    """The field whose value stands at a path; None for an item of a list or mapping."""
    parent = type_at(root, path[:-1])
    found: FieldInfo | None = parent.model_fields.get(path[-1]) if path and is_model(parent) else None
    return found


def example_at(root: type[BaseModel], path: Path) -> str:
    """A right value for the field at a path, as one writes it in YAML; empty where none is known."""
    info = field_at(root, path)
    return str(info.examples[0]) if info and info.examples else ""


def limits_at(root: type[BaseModel], path: Path) -> dict[str, float]:
    """Bounds of the number at a path by pydantic's names: `ge` or `gt`, and `le`, as far as there are any."""
    info = field_at(root, path)
    if info is None:
        return {}
    # Of a number that may be left out they stand within the union.
    within = [part for part in get_args(info.annotation) if get_origin(part) is Annotated]
    inner = [note for part in within for note in part.__metadata__ if isinstance(note, FieldInfo)]
    limits = [limit for each in (info, *inner) for limit in each.metadata]
    return {
        name: getattr(limit, name) for limit in limits for name in ("ge", "gt", "le") if hasattr(limit, name)
    }


def every_field(root: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Each key of the format, as `endpoints[].replicas.min` or `tokens.*.rate`, in order."""
    for name, info in root.model_fields.items():
        path = f"{prefix}{name}"
        yield path, info
        below = _plain(info.annotation)
        if (item := _item_type(below)) is not None:
            path += "[]" if get_origin(below) is tuple else ".*"
            below = item
        if is_model(below):
            yield from every_field(below, f"{path}.")
