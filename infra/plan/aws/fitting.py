"""The rest of a stack as the AWS backend settles it: what others set by hand, it knows, for it makes it."""

from infra.plan.aws.image_registry import registry_host
from infra.plan.aws.scope import Scope
from infra.plan.aws.vault import prefix_of
from infra.spec.hardware import CATALOGUE
from infra.spec.stack import Addons, ApiSizes, Nodes, Objects, SecretStore, Stack, Storage
from infra.spec.stack_aws import Aws

API_DISK_GIB = 1
"""Of the platform API without a database: a year of a hundred endpoints, an hour each row, is below
100 MiB by estimate."""
HARDWARE_LABEL = "moorage.dev/hardware"
"""Of every node that is made for replicas: its name in the hardware catalogue."""
DISK_CLASS, SHARED_CLASS = "moorage-disk", "moorage-shared"


def settled(stack: Stack, scope: Scope, aws: Aws) -> Stack:
    """The stack with everything in it that follows from the account."""
    return stack.model_copy(
        update={
            "addons": _addons(stack, aws),
            "api": _api(stack.api, aws),
            "images": stack.images.model_copy(
                update={"registry": stack.images.registry or image_registry(scope)}
            ),
            "nodes": {name: _nodes(name, stack.nodes.get(name)) for name in CATALOGUE},
            "objects": Objects(bucket=scope.bucket("objects"), region=scope.region),
            "secret_store": SecretStore(name=scope.name, prefix=prefix_of(scope)),
            "storage": Storage(disk_class=DISK_CLASS, shared_class=SHARED_CLASS),
        }
    )


def image_registry(scope: Scope) -> str:
    """Where images are pushed unless the stack says otherwise: a part of the account's own registry."""
    return f"{registry_host(scope)}/{scope.name}"


def _api(given: ApiSizes, aws: Aws) -> ApiSizes:
    """With a disk wherever there is no database: usage is kept in every account."""
    if aws.database is not None or given.disk is not None:
        return given
    return given.model_copy(update={"disk": API_DISK_GIB})


def _nodes(name: str, given: Nodes | None) -> Nodes:
    """Nodes by the label that their group puts on them: a node that is not there yet has no other."""
    chosen = Nodes() if given is None else given
    if chosen.selector is not None:
        return chosen
    return chosen.model_copy(update={"selector": {HARDWARE_LABEL: name}})


def _addons(stack: Stack, aws: Aws) -> Addons:
    """A cluster that the stack makes holds nothing yet; what stands in the file for one that exists counts."""
    if aws.cluster.existing is not None:
        return stack.addons
    return Addons(
        nvidia_device_plugin="present" if aws.gpu_operator else "install",
        metrics_server="install",
        cert_manager="present",
        external_secrets="install",
        keda="install" if stack.scaler == "keda" else "present",
        traefik="present",
        load_balancer_controller="install",
        cluster_autoscaler="install",
    )
