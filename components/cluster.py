"""The cluster that everything is made in."""

from pulumi import Input, ResourceOptions
from pulumi_kubernetes import Provider


def cluster_provider(
    context: str | None, kubeconfig: Input[str] | None = None, opts: ResourceOptions | None = None
) -> Provider:
    """The provider of a kubeconfig, or of the user's own at a context; None takes the current one.

    ConfigMaps and Secrets are changed in place: as it comes it replaces them, and while a record is gone its
    endpoint does not exist.
    """
    return Provider(
        "cluster",
        context=context,
        kubeconfig=kubeconfig,
        enable_server_side_apply=True,
        enable_config_map_mutable=True,
        enable_secret_mutable=True,
        opts=opts,
    )
