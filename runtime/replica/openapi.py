"""The OpenAPI document of a service: what each route takes and gives, as JSON Schema."""

from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator, Sequence
from typing import Any, get_args, get_origin

from pydantic import PydanticUserError, TypeAdapter
from pydantic.json_schema import JsonSchemaMode

from runtime.replica.routes import Route

REF = "#/components/schemas/{model}"
STREAMS = (Iterator, Generator, AsyncIterator, AsyncGenerator)
TIMES = {
    "type": "object",
    "properties": {"inference_time_ms": {"type": "number"}, "performance_time_ms": {"type": "number"}},
}


def describe(routes: Sequence[Route]) -> dict[str, Any]:
    """The document for `routes`; a return type that pydantic does not know is left open."""
    wanted: list[tuple[str, JsonSchemaMode, TypeAdapter[Any]]] = []
    for route in routes:
        wanted.append((route.path, "validation", TypeAdapter(route.input_model)))
        wanted.append((route.path, "serialization", _adapter(_piece(route.output) or route.output)))
    schemas, defs = TypeAdapter.json_schemas(wanted, ref_template=REF)
    return {
        "openapi": "3.1.0",
        "info": {"title": "service", "version": "1"},
        "paths": {
            route.path: {
                "post": _operation(
                    route, schemas[route.path, "validation"], schemas[route.path, "serialization"]
                )
            }
            for route in routes
        },
        "components": {"schemas": defs.get("$defs", {})},
    }


def _operation(route: Route, takes: dict[str, Any], gives: dict[str, Any]) -> dict[str, Any]:
    envelope = {"type": "object", "properties": {"output": gives, "analytics": TIMES}}
    content = (
        {"application/json": {"schema": envelope}}
        if _piece(route.output) is None
        else {"text/event-stream": {"schema": gives}}
    )
    return {
        "description": route.method.__doc__ or "",
        "requestBody": {"required": True, "content": {"application/json": {"schema": takes}}},
        "responses": {
            "200": {"description": "the result", "content": content},
            "422": {"description": "the input does not fit"},
        },
    }


def _piece(annotation: Any) -> Any:
    """The type of one piece of a stream; None where the annotation is no stream."""
    return (get_args(annotation) or (Any,))[0] if get_origin(annotation) in STREAMS else None


def _adapter(annotation: Any) -> TypeAdapter[Any]:
    try:
        adapter: TypeAdapter[Any] = TypeAdapter(annotation)
        adapter.json_schema(mode="serialization")
    except PydanticUserError:
        return TypeAdapter(Any)
    return adapter
