"""Recorded resources as files for kubectl, Argo CD or Flux: one a resource, with stable names. Pure."""

import copy
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from infra.plan.manifests.access import DOCKER_CONFIG, DOCKER_CONFIG_TYPE
from infra.plan.manifests.parts import COMPONENT_LABEL
from infra.plan.recording import Resource

KUBERNETES = "kubernetes:"
RELEASE = "kubernetes:helm.sh/v3:Release"
NEEDED, RELEASES = "needed-secrets.json", "helm-releases.json"
FIRST = "first"
DUMPER: type[yaml.SafeDumper] = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
"""Ten times as fast where libyaml is there, and thousands of files are usual."""
_SCALED = frozenset({"replica"})
"""Components whose Deployments have their replicas from somebody else."""


@dataclass(frozen=True, slots=True)
class RenderedFile:
    """One file; `path` from the folder that is rendered to."""

    path: str
    text: str


def render(resources: Sequence[Resource]) -> tuple[RenderedFile, ...]:
    """All files, sorted by path.

    Deployments of endpoints come without `replicas`, which are the scaler's, and once more below `first/`
    with none, to be created where they are absent. Secrets are never rendered: what must be there is listed.
    """
    files = [*_objects(resources), _needed(resources), _releases(resources)]
    return tuple(sorted(files, key=lambda file: file.path))


def _objects(resources: Sequence[Resource]) -> Iterator[RenderedFile]:
    for resource in resources:
        if not resource.type.startswith(KUBERNETES) or resource.type == RELEASE:
            continue
        manifest = _cleaned(resource.inputs)
        if manifest["kind"] == "Secret":
            continue
        if manifest["kind"] == "Deployment" and _component(manifest) in _SCALED:
            yield _file(f"{FIRST}/{_name(manifest)}", manifest)
            manifest["spec"].pop("replicas")
        yield _file(_name(manifest), manifest)


def _needed(resources: Sequence[Resource]) -> RenderedFile:
    """Secrets that must be there before anything runs, with the keys that pods read of them."""
    wanted = _wanted(resources)
    brought = {
        (each.inputs["metadata"]["namespace"], each.inputs["spec"]["target"]["name"])
        for each in resources
        if each.inputs.get("kind") == "ExternalSecret"
    }
    found = [
        {
            "namespace": place[0],
            "name": place[1],
            # Kubelet pulls with this type alone, and says nothing of a login under another.
            "type": DOCKER_CONFIG_TYPE if DOCKER_CONFIG in wanted[place] else "Opaque",
            "keys": sorted(wanted[place]),
        }
        for place in sorted(wanted.keys() - brought)
    ]
    return RenderedFile(NEEDED, _json(found))


def _wanted(resources: Sequence[Resource]) -> dict[tuple[str, str], set[str]]:
    """Namespace and name of each Secret that a pod names, to its keys that are read."""
    wanted: dict[tuple[str, str], set[str]] = {}
    for resource in resources:
        spec = resource.inputs.get("spec")
        if isinstance(spec, dict) and isinstance(spec.get("template"), dict) and "kind" in resource.inputs:
            namespace = resource.inputs["metadata"]["namespace"]
            for name, keys in _references(spec["template"].get("spec", {})):
                wanted.setdefault((namespace, name), set()).update(keys)
    return wanted


def _references(pod: dict[str, Any]) -> Iterator[tuple[str, tuple[str, ...]]]:
    for login in pod.get("imagePullSecrets", ()):
        yield login["name"], (DOCKER_CONFIG,)
    for container in (*pod.get("initContainers", ()), *pod.get("containers", ())):
        for variable in container.get("env", ()):
            reference = variable.get("valueFrom", {}).get("secretKeyRef")
            if reference:
                yield reference["name"], (reference["key"],)
    for volume in pod.get("volumes", ()):
        if "secret" in volume:
            keys = tuple(item["key"] for item in volume["secret"].get("items", ()))
            yield volume["secret"]["secretName"], keys


def _releases(resources: Sequence[Resource]) -> RenderedFile:
    found = [
        {
            "name": each.inputs["name"],
            "namespace": each.inputs["namespace"],
            "chart": each.inputs["chart"],
            "version": each.inputs["version"],
            "repository": each.inputs.get("repositoryOpts", {}).get("repo"),
            "values": each.inputs.get("values", {}),
        }
        for each in resources
        if each.type == RELEASE
    ]
    return RenderedFile(RELEASES, _json(found))


def _cleaned(inputs: Any) -> dict[str, Any]:
    """A copy without what only Pulumi reads."""
    manifest: dict[str, Any] = copy.deepcopy(dict(inputs))
    annotations = manifest.get("metadata", {}).get("annotations", {})
    kept = {key: value for key, value in annotations.items() if not key.startswith("pulumi.com/")}
    if kept:
        manifest["metadata"]["annotations"] = kept
    elif annotations:
        del manifest["metadata"]["annotations"]
    return manifest


def _component(manifest: dict[str, Any]) -> str:
    return str(manifest["metadata"].get("labels", {}).get(COMPONENT_LABEL, ""))


def _name(manifest: dict[str, Any]) -> str:
    metadata = manifest["metadata"]
    namespace = metadata.get("namespace", "cluster")
    return f"{namespace}--{manifest['kind'].lower()}--{metadata['name']}.yaml"


def _file(path: str, manifest: dict[str, Any]) -> RenderedFile:
    text = yaml.dump(manifest, Dumper=DUMPER, sort_keys=True, width=110, allow_unicode=True)
    return RenderedFile(path, text)


def _json(value: object) -> str:
    return json.dumps(value, indent=2, sort_keys=True) + "\n"
