"""Turns what a service returns into JSON text."""

import json
from typing import Any

import pydantic_core


def to_json(value: object) -> str:
    """`value` as JSON, escaped to ASCII: a raw U+2028 would end a line of a stream early.

    Models, dataclasses, sets, dates and the like are known; of anything else `tolist()` is
    asked, which arrays and tensors have.

    Raises:
        ValueError: Something in it has no form in JSON; NaN and infinity neither.
    """
    plain = pydantic_core.to_jsonable_python(value, fallback=_listed)
    return json.dumps(plain, allow_nan=False, separators=(",", ":"))


def _listed(value: object) -> Any:
    tolist = getattr(value, "tolist", None)
    if tolist is None:
        kind = type(value)
        raise TypeError(f"{kind.__module__}.{kind.__qualname__} has no form in JSON")
    return tolist()
