"""KEDA in the cluster, by its own manifests: only where a test asks for it, as it takes memory and time."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from cluster.containers import Archive, import_images
from cluster.kubectl import MANIFESTS
from cluster.rooms import Room
from cluster.sites import Site

NAMESPACE = "keda"
APPLY_SECONDS = 60.0
READY_SECONDS = 120
PLACEHOLDERS: Mapping[str, str] = {
    "keda": "ghcr.io/kedacore/keda",
    "keda-adapter": "ghcr.io/kedacore/keda-metrics-apiserver",
    "keda-admission-webhooks": "ghcr.io/kedacore/keda-admission-webhooks",
}
"""Program to the image that its Deployment names."""


async def install_keda(site: Site, room: Room, config: Path, images: Mapping[str, Archive]) -> None:
    """Import its images to one node and apply its manifests; returns when all of it is Ready.

    Args:
        site: the cluster.
        room: of the node that it runs on.
        config: KEDA's own `config` folder.
        images: by program, as `PLACEHOLDERS` names them.

    Raises:
        ClusterError: it does not become Ready.
    """
    await import_images(room, images.values())
    folder = site.folder(NAMESPACE)
    shutil.copytree(config, folder / "config", dirs_exist_ok=True)
    shutil.copytree(MANIFESTS / "keda", folder, dirs_exist_ok=True)
    exchanged = [
        line
        for name, placeholder in PLACEHOLDERS.items()
        for line in _exchange(placeholder, images[name].name)
    ]
    kustomization = folder / "kustomization.yaml"
    kustomization.write_text("\n".join((kustomization.read_text(), "images:", *exchanged, "")))
    await site.kubectl("apply", "--server-side", "--force-conflicts", "-k", folder, seconds=APPLY_SECONDS)
    await _wait(site, "deployment", "Available", "--all", f"--namespace={NAMESPACE}")
    await _wait(site, "apiservice/v1beta1.external.metrics.k8s.io", "Available")


def _exchange(placeholder: str, image: str) -> Sequence[str]:
    name, _, tag = image.rpartition(":")
    return (f"- {{name: {placeholder}, newName: {name}, newTag: {tag}}}",)


async def _wait(site: Site, what: str, condition: str, *words: str) -> None:
    await site.kubectl(
        *("wait", what, *words, f"--for=condition={condition}", f"--timeout={READY_SECONDS}s"),
        seconds=READY_SECONDS + 5,
    )
