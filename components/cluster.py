"""The cluster that everything is made in."""

from pulumi_kubernetes import Provider


def cluster_provider(context: str | None) -> Provider:
    """The provider of a kubeconfig's context; None takes the current one.

    ConfigMaps and Secrets are changed in place: as it comes it replaces them, and while a record is gone its
    endpoint does not exist.
    """
    return Provider(
        "cluster",
        context=context,
        enable_server_side_apply=True,
        enable_config_map_mutable=True,
        enable_secret_mutable=True,
    )
