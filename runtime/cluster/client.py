"""A client of the Kubernetes API: of the cluster that this process runs in, else of the kubeconfig."""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from aiohttp import ClientSession, DummyCookieJar, TCPConnector

from runtime.cluster.access import Access, pod_access
from runtime.cluster.calls import ApiClient
from runtime.cluster.kubeconfig import kubeconfig_access
from runtime.cluster.login import Login

_HEADERS = {"Accept": "application/json", "User-Agent": "moorage"}


@asynccontextmanager
async def open_cluster(context: str | None = None) -> AsyncIterator[ApiClient]:
    """The API's client while the block runs.

    In a pod its service account is used, and its token read anew as kubelet renews it. Elsewhere it is the
    files that `KUBECONFIG` names (else `~/.kube/config`), in this context of them or their current one.

    Raises:
        ClusterConfigError: there is neither.
    """
    async with open_client(await asyncio.to_thread(find_access, os.environ, context)) as client:
        yield client


@asynccontextmanager
async def open_client(access: Access) -> AsyncIterator[ApiClient]:
    """A client of a known API server while the block runs."""
    connector = TCPConnector(ssl=True if access.tls is None else access.tls)
    async with ClientSession(
        connector=connector, headers=_HEADERS, cookie_jar=DummyCookieJar(), trust_env=True
    ) as session:
        yield ApiClient(session, access, Login(access, asyncio.get_running_loop().time))


def find_access(environment: Mapping[str, str], context: str | None) -> Access:
    """The pod's, else the kubeconfig's.

    Raises:
        ClusterConfigError: there is neither.
    """
    found = pod_access(environment)
    return kubeconfig_access(environment, context) if found is None else found
