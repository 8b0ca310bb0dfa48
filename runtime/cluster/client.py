"""A client of the Kubernetes API: of the cluster that this process runs in, else of the kubeconfig."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from kubernetes_asyncio.client import ApiClient, Configuration
from kubernetes_asyncio.config import ConfigException, incluster_config, load_kube_config
from kubernetes_asyncio.config.incluster_config import InClusterConfigLoader

from runtime.cluster.calls import ClusterConfigError


@asynccontextmanager
async def open_cluster(context: str | None = None) -> AsyncIterator[ApiClient]:
    """The API's client while the block runs.

    In a pod its service account is used, and its token read anew as kubelet renews it. Elsewhere it is the
    file that `KUBECONFIG` names (else `~/.kube/config`), in this context of it or its current one.

    Raises:
        ClusterConfigError: there is neither.
    """
    async with ApiClient(await _configuration(context)) as client:
        yield client


async def _configuration(context: str | None) -> Configuration:
    configuration = Configuration()
    try:
        InClusterConfigLoader(
            token_filename=incluster_config.SERVICE_TOKEN_FILENAME,
            cert_filename=incluster_config.SERVICE_CERT_FILENAME,
        ).load_and_set(configuration)
    except ConfigException:
        await _load_file(configuration, context)
    return configuration


async def _load_file(configuration: Configuration, context: str | None) -> None:
    try:
        await load_kube_config(context=context, client_configuration=configuration)
    except (ConfigException, OSError) as exc:
        raise ClusterConfigError(f"neither a service account nor a kubeconfig: {exc}") from exc
