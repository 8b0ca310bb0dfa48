"""From manifests to the arguments of Pulumi's classes."""

import re
from collections.abc import Mapping
from typing import Any

import pulumi

from infra.plan.manifests.parts import SECRETS_HASH


def with_secrets_hash(spec: dict[str, Any], digest: pulumi.Input[str] | None) -> dict[str, Any]:
    """The spec of a workload whose pods roll when the hash changes; None where they read no secret."""
    if digest is None:
        return spec
    template = spec["template"]
    noted = {**template["metadata"].get("annotations", {}), SECRETS_HASH: digest}
    return {**spec, "template": {**template, "metadata": {**template["metadata"], "annotations": noted}}}


def arguments(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """A manifest as keyword arguments: Pulumi's Python names at the top, the API's own below."""
    return {
        re.sub("[A-Z]", lambda found: f"_{found[0].lower()}", key): item for key, item in manifest.items()
    }
