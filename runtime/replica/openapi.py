"""The OpenAPI document of a service: what each route takes and gives, as JSON Schema."""

from collections.abc import Sequence
from typing import Any

from pydantic import PydanticUserError, TypeAdapter
from pydantic.json_schema import JsonSchemaMode

from runtime.replica.routes import Route

REF = "#/components/schemas/{model}"


def describe(routes: Sequence[Route]) -> dict[str, Any]:
    """The document for `routes`; a return type that pydantic does not know is left open."""
    inputs: list[tuple[str, JsonSchemaMode, TypeAdapter[Any]]] = [
        (route.path, "validation", TypeAdapter(route.input_model)) for route in routes
    ]
    outputs: list[tuple[str, JsonSchemaMode, TypeAdapter[Any]]] = [
        (route.path, "serialization", _adapter(route.output)) for route in routes
    ]
    schemas, defs = TypeAdapter.json_schemas([*inputs, *outputs], ref_template=REF)
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
    envelope = {
        "type": "object",
        "properties": {
            "output": gives,
            "analytics": {
                "type": "object",
                "properties": {
                    "inference_time_ms": {"type": "number"},
                    "performance_time_ms": {"type": "number"},
                },
            },
        },
    }
    return {
        "description": route.method.__doc__ or "",
        "requestBody": {"required": True, "content": {"application/json": {"schema": takes}}},
        "responses": {
            "200": {"description": "the result", "content": {"application/json": {"schema": envelope}}},
            "422": {"description": "the input does not fit"},
        },
    }


def _adapter(annotation: Any) -> TypeAdapter[Any]:
    try:
        adapter: TypeAdapter[Any] = TypeAdapter(annotation)
        adapter.json_schema(mode="serialization")
    except PydanticUserError:
        return TypeAdapter(Any)
    return adapter
