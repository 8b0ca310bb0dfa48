"""From manifests to the arguments of Pulumi's classes."""

import re
from collections.abc import Mapping
from typing import Any

import pulumi

from infra.plan.manifests.parts import SECRETS_HASH


def with_secrets_hash(manifest: dict[str, Any], digest: pulumi.Input[str] | None) -> dict[str, Any]:
    """A workload whose pods roll when the hash changes; None where they read no secret."""
    if digest is None:
        return manifest
    template = manifest["spec"]["template"]
    noted = {**template["metadata"].get("annotations", {}), SECRETS_HASH: digest}
    pods = {**template, "metadata": {**template["metadata"], "annotations": noted}}
    return {**manifest, "spec": {**manifest["spec"], "template": pods}}


def arguments(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """A manifest as keyword arguments: Pulumi's Python names at the top, the API's own below."""
    return {
        re.sub("[A-Z]", lambda found: f"_{found[0].lower()}", key): item for key, item in manifest.items()
    }
