"""Images that `pulumi up` builds and pushes."""

from collections.abc import Sequence

import pulumi
from pulumi import Resource, ResourceOptions
from pulumi_docker_build import BuildContextArgs, ContextArgs, DockerfileArgs, Image, Platform

from infra.plan.values import ImagePlan


class Images(pulumi.ComponentResource):
    """Builds each image from the project's folder and pushes it under a tag that is the hash of its content.

    So no change is no diff. Assumes BuildKit where `pulumi up` runs, and a login to the registry there.

    Args of note:
        root: of the project, as the program sees it.
        repositories: where images are pushed to, as far as this stack makes them.
    """

    def __init__(
        self,
        name: str,
        plans: tuple[ImagePlan, ...],
        root: str,
        repositories: Sequence[Resource] = (),
        opts: ResourceOptions | None = None,
    ) -> None:
        super().__init__("moorage:components:Images", name, {}, opts)
        for plan in plans:
            Image(
                f"{name}-{plan.name}",
                context=_context(plan, root),
                dockerfile=DockerfileArgs(location=f"{root}/{plan.dockerfile}"),
                platforms=[Platform.LINUX_AMD64],
                push=True,
                build_on_preview=False,
                tags=[plan.reference],
                opts=ResourceOptions(parent=self, retain_on_delete=True, depends_on=repositories),
            )
        self.register_outputs({})


def _context(plan: ImagePlan, root: str) -> BuildContextArgs:
    """The project, or the folder of a `python:` endpoint: only a context's own ignore file is looked at."""
    if plan.folder is None:
        return BuildContextArgs(location=root)
    named = {
        "runner": ContextArgs(location=f"{root}/runtime/replica"),
        "tools": ContextArgs(location=f"{root}/images/tools"),
    }
    return BuildContextArgs(location=f"{root}/{plan.folder}", named=named)
