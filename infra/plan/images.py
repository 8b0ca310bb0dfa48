"""Which image runs what: given by reference, or tagged with the hash of all that it is made from."""

import hashlib
import re

from infra.plan.values import ImagePlan, Specs
from infra.spec.model import Endpoint
from infra.spec.stack import Stack
from runtime.wire.names import short

RUNTIME_IMAGE = "docker.io/moorage/runtime:0.1.0"
"""The platform's own image where the stack names neither one nor a registry."""
TAG_DIGITS = 16
"""Hex digits of a tag: 64 bits."""


def runtime_image(specs: Specs, stack: Stack) -> str:
    """Reference of the platform's own image."""
    if stack.images.runtime is not None:
        return stack.images.runtime
    if stack.images.registry is None:
        return RUNTIME_IMAGE
    return f"{stack.images.registry}/moorage-runtime:{specs.runtime[:TAG_DIGITS]}"


def endpoint_image(endpoint: Endpoint, specs: Specs, stack: Stack) -> str:
    """Reference of an endpoint's image; a `python:` endpoint's holds its folder and the platform's runner.

    Raises:
        ValueError: it has none; `fit` would have found it.
    """
    if endpoint.image is not None:
        return endpoint.image
    given = stack.images.services.get(endpoint.name)
    if given is not None:
        return given
    if endpoint.python is None or stack.images.registry is None:
        raise ValueError(f"endpoint {endpoint.name} has no image")
    made_from = f"{specs.contents[endpoint.python]} {specs.runner}"
    tag = hashlib.sha256(made_from.encode()).hexdigest()[:TAG_DIGITS]
    return f"{stack.images.registry}/moorage-{_repository(endpoint.python)}:{tag}"


def plan_images(specs: Specs, stack: Stack) -> tuple[ImagePlan, ...]:
    """Images that `pulumi up` builds, each once, sorted by name."""
    images = stack.images
    if images.registry is None or not images.build:
        return ()
    built: dict[str, ImagePlan] = {}
    if images.runtime is None:
        reference = runtime_image(specs, stack)
        built["runtime"] = ImagePlan("runtime", reference, "images/runtime/Dockerfile", None)
    for endpoint in specs.spec.endpoints:
        if endpoint.image is None and endpoint.python and endpoint.name not in images.services:
            name = f"service-{_repository(endpoint.python)}"
            reference = endpoint_image(endpoint, specs, stack)
            built[name] = ImagePlan(name, reference, "images/python/Dockerfile", endpoint.python)
    return tuple(built[name] for name in sorted(built))


def _repository(folder: str) -> str:
    """A folder as part of an image's name; two folders never give the same."""
    plain = "-".join(re.findall("[a-z0-9]+", folder.lower()))
    if re.fullmatch("[a-z0-9]+(?:/[a-z0-9]+)*", folder):
        return short(plain)
    return short(f"{plain}-{hashlib.sha256(folder.encode()).hexdigest()[:8]}".strip("-"))
