"""Turns the methods of a service into routes: a path, a model of the input, a way to parse it."""

import inspect
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, get_type_hints

import pydantic_core
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PydanticUserError,
    TypeAdapter,
    ValidationError,
    create_model,
)

from runtime.replica.errors import Detail, InputError, ServiceError

log = logging.getLogger("moorage.replica")

FORM = "infer_form_data"
"""OctoAI's method for uploads by form."""
HOOKS = frozenset({"setup", "store_assets", "on_server_startup", "on_server_shutdown", FORM})
"""Public methods which are not routes."""
RESERVED = frozenset({"/", "/healthcheck", "/openapi.json"})
"""Paths that the runner answers itself."""


@dataclass(frozen=True)
class Route:
    """One method of the service, reachable by POST."""

    path: str
    method: Callable[..., Any]
    input_model: type[BaseModel]
    output: Any
    """The annotation of what it returns; `Any` where there is none."""
    names: dict[str, str]
    """Parameter by field of `input_model`. They differ: a parameter may be called `json` or `_x`."""

    def parse(self, body: bytes) -> dict[str, Any]:
        """The arguments in a JSON body; a parameter which it leaves out keeps its own default.

        Raises:
            InputError: The body is not JSON, or not what the method takes.
        """
        try:
            data = pydantic_core.from_json(body or b"{}", allow_inf_nan=False)
        except ValueError as exc:
            detail = {
                "type": "json_invalid",
                "loc": ["body"],
                "msg": f"JSON decode error: {exc}",
                "input": {},
            }
            raise InputError("the body is not JSON", [detail]) from exc
        try:
            model = self.input_model.model_validate(data)
        except ValidationError as exc:
            raise InputError("the body does not fit", _detail(exc)) from exc
        given = {
            self.names[field]: getattr(model, field) for field in model.model_fields_set & set(self.names)
        }
        return given | (model.model_extra or {})


def find_routes(service: object) -> dict[str, Route]:
    """Every route of the service by path: `/infer`, and one for each other public method.

    Only methods of classes in the service's own module count: a base class from a library
    brings no routes along.

    Raises:
        ServiceError: A method cannot be called with named values from JSON.
    """
    if hasattr(service, FORM):
        log.warning("%s() is not served: forms are not supported. Take Media in infer() instead.", FORM)
    routes: dict[str, Route] = {}
    for name in _method_names(type(service)):
        route = _route(name, getattr(service, name))
        if route.path in routes or route.path in RESERVED:
            raise ServiceError(f"{name}(): the path {route.path} is taken. Give it another.")
        routes[route.path] = route
    return routes


def _method_names(cls: type) -> list[str]:
    own = [base for base in cls.__mro__ if base.__module__ == cls.__module__]
    public = {
        name: None
        for base in own
        for name, member in vars(base).items()
        if inspect.isfunction(member) and not name.startswith("_") and name not in HOOKS
    }
    return ["infer", *(name for name in public if name != "infer")]


def _route(name: str, method: Callable[..., Any]) -> Route:
    hints = _hints(name, method)
    fields: dict[str, Any] = {}
    names: dict[str, str] = {}
    extra = False
    for parameter in inspect.signature(method).parameters.values():
        if parameter.kind is parameter.VAR_KEYWORD:
            extra = True
        elif parameter.kind is parameter.POSITIONAL_ONLY:
            raise ServiceError(f"{name}(): {parameter.name} can be given by position only. Remove the '/'.")
        elif parameter.kind is not parameter.VAR_POSITIONAL:
            field = f"field_{len(names)}"
            names[field] = parameter.name
            fields[field] = _field(name, parameter, hints.get(parameter.name, Any))
    config = ConfigDict(extra="allow" if extra else "ignore")
    model = create_model(f"{name}_input", __config__=config, **fields)
    path = "/infer" if name == "infer" else getattr(method, "__path__", "/" + name.replace("_", "-"))
    return Route(path, method, model, hints.get("return", Any), names)


def _hints(name: str, method: Callable[..., Any]) -> dict[str, Any]:
    try:
        return get_type_hints(inspect.unwrap(method), include_extras=True)
    except NameError as exc:
        raise ServiceError(f"{name}(): an annotation cannot be resolved: {exc}.") from exc


def _field(method: str, parameter: inspect.Parameter, annotation: Any) -> tuple[Any, Any]:
    try:
        TypeAdapter(annotation)
    except PydanticUserError as exc:
        raise ServiceError(
            f"{method}(): {parameter.name} is annotated {annotation!r}, which JSON cannot give. "
            "Use a type that pydantic knows, or none."
        ) from exc
    default = ... if parameter.default is parameter.empty else parameter.default
    return annotation, Field(default, alias=parameter.name, title=parameter.name)


def _detail(exc: ValidationError) -> Detail:
    errors = exc.errors(include_url=False, include_context=False)
    return [{**error, "loc": ["body", *error["loc"]]} for error in errors]
