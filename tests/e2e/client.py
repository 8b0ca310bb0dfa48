"""The installed platform as a test sees it: its clients' side, its objects in the cluster, its queue."""

import asyncio
import inspect
import os
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, overload

import httpx
from e2e.cluster_api import ClusterApi, Object, open_api
from e2e.commands import run_beside

from runtime.queue.valkey import ValkeyQueue
from runtime.wire.cluster import ALL_PORT, LABEL_ENDPOINT, PUBLIC_PORT, QUEUE_PORT

T = TypeVar("T")

POLL_SECONDS = 0.1
KUBECTL_SECONDS = 60.0
CLOSING_SECONDS = 0.1
ANSWER_SECONDS = 300.0
"""Longest that a client waits for an answer unless it is told otherwise."""


@dataclass(frozen=True, slots=True)
class Access:
    """How an installation is reached, and with what."""

    context: str | None
    """Of the kubeconfig; None for its current one."""
    namespace: str
    account: str
    domain: str
    token: str
    """The owner's: it opens everything."""
    tokens: dict[str, str]
    """Every token by its name in endpoints.yaml."""
    queue_password: str
    """Of the queue's user `gateway`."""

    def __repr__(self) -> str:
        """Without what is secret: a failing test prints its values."""
        return f"Access({self.context!r}, {self.namespace!r}, {self.domain!r})"

    @property
    def endpoint_namespaces(self) -> tuple[str, str]:
        """Where replicas live: baseline, restricted."""
        return f"{self.namespace}-baseline", f"{self.namespace}-restricted"


class Platform:
    """One installation; open while a test runs.

    `api` is the Kubernetes API. Objects come as the API's JSON. Every wait has a deadline.
    """

    def __init__(
        self, access: Access, api: ClusterApi, addresses: "Addresses", stack: AsyncExitStack
    ) -> None:
        self.access = access
        self.api = api
        self.queue = ValkeyQueue.connect(f"valkey://gateway:{access.queue_password}@{addresses.queue}")
        """The queue itself, with the gateway's rights: `look(endpoint)`, `find(request_id)`."""
        self._addresses = addresses
        self._stack = stack
        stack.push_async_callback(self.queue.close)

    # ------------------------------------------------------------------ as a client

    async def client(
        self,
        endpoint: str,
        *,
        port: Literal["public", "all"] = "public",
        token: str | None = None,
        seconds: float = ANSWER_SECONDS,
    ) -> httpx.AsyncClient:
        """A client of an endpoint's host, with the owner's token unless another is given (`""`: none).

        Its paths are the model's: `await (await platform.client("zero")).post("/infer", json={"seconds": 1})`.
        It is closed with the platform.
        """
        host = f"{endpoint}-{self.access.account}.{self.access.domain}"
        return await self._client(host, port, token, seconds)

    async def platform_api(
        self, *, port: Literal["public", "all"] = "all", token: str | None = None
    ) -> httpx.AsyncClient:
        """A client of the platform's own host, `/v1/…`."""
        return await self._client(f"api.{self.access.domain}", port, token, 30.0)

    async def shown(self, endpoint: str) -> Object:
        """What `GET /v1/endpoints/<name>` says of an endpoint: replicas, queue, waiting (with its cause)."""
        reply = await (await self.platform_api()).get(f"/v1/endpoints/{endpoint}")
        reply.raise_for_status()
        found: Object = reply.json()
        return found

    # ------------------------------------------------------------------ as an operator

    async def kubectl(
        self, *arguments: str, stdin: str | None = None, seconds: float = KUBECTL_SECONDS
    ) -> str:
        """What kubectl prints.

        Raises:
            CommandError: it failed.
        """
        return await run_beside(kubectl(self.access.context, *arguments), seconds, stdin=stdin)

    async def namespace_of(self, endpoint: str) -> str:
        """Where an endpoint's replicas live."""
        return str((await self.deployment(endpoint))["metadata"]["namespace"])

    async def deployment(self, endpoint: str) -> Object:
        """An endpoint's Deployment.

        Raises:
            LookupError: there is none.
        """
        for namespace in self.access.endpoint_namespaces:
            found = await self.api.find("deployments", endpoint, namespace)
            if found is not None:
                return found
        raise LookupError(f"endpoint {endpoint} has no Deployment")

    async def pods(self, endpoint: str, *, with_ending: bool = False) -> list[Object]:
        """An endpoint's pods, sorted by name; those that are being deleted only where asked for."""
        found: list[Object] = []
        for namespace in self.access.endpoint_namespaces:
            found += await self.api.list("pods", namespace, f"{LABEL_ENDPOINT}={endpoint}")
        alive = [pod for pod in found if with_ending or not pod["metadata"].get("deletionTimestamp")]
        return sorted(alive, key=lambda pod: str(pod["metadata"]["name"]))

    async def component_pods(self, component: str) -> list[Object]:
        """Pods of the platform's own, of `gateway`, `api`, `scaler` or `queue`, sorted by name."""
        selector = f"app.kubernetes.io/name=moorage,app.kubernetes.io/component={component}"
        found = await self.api.list("pods", self.access.namespace, selector)
        return sorted(found, key=lambda pod: str(pod["metadata"]["name"]))

    async def number(self, endpoint: str) -> int:
        """The number that stands in an endpoint's Deployment."""
        return int((await self.deployment(endpoint))["spec"].get("replicas", 1))

    # ------------------------------------------------------------------ waiting

    async def restart(self, name: str, namespace: str = "") -> None:
        """Have every pod of an endpoint, or of the Deployment in that namespace, replaced as its rollout wants it."""
        space = namespace or await self.namespace_of(name)
        await self.kubectl("rollout", "restart", f"deployment/{name}", f"--namespace={space}")

    async def rolled_out(self, name: str, seconds: float, namespace: str = "") -> None:
        """Wait until all pods of an endpoint, or of that Deployment, are of its newest template."""
        where = (f"deployment/{name}", f"--namespace={namespace or await self.namespace_of(name)}")
        await self.kubectl("rollout", "status", *where, f"--timeout={seconds:g}s", seconds=seconds + 10)

    @overload
    async def wait(
        self, fact: Callable[[], Coroutine[Any, Any, T]], seconds: float, what: str, *, poll: float = ...
    ) -> T: ...

    @overload
    async def wait(self, fact: Callable[[], T], seconds: float, what: str, *, poll: float = ...) -> T: ...

    async def wait(
        self, fact: Callable[[], Any], seconds: float, what: str, *, poll: float = POLL_SECONDS
    ) -> Any:
        """The first true value of a fact, plain or awaited.

        Raises:
            AssertionError: it was not true within so many seconds; `what` and its last value are told.
        """
        end = time.monotonic() + seconds
        while True:
            found = fact()
            value = await found if inspect.isawaitable(found) else found
            if value:
                return value
            if time.monotonic() >= end:
                raise AssertionError(f"{what}: not within {seconds:g} s; last: {value!r}")
            await asyncio.sleep(poll)

    async def at_zero(self, endpoint: str, seconds: float = 60.0) -> None:
        """Wait until an endpoint has no work, no number and no pod, those that are ending among them.

        Raises:
            AssertionError: it still has some.
        """

        async def is_at_zero() -> bool:
            view = await self.queue.look(endpoint)
            if view.demand or await self.number(endpoint):
                return False
            return not await self.pods(endpoint, with_ending=True)

        await self.wait(is_at_zero, seconds, f"{endpoint} at zero", poll=0.25)

    async def replicas_ready(self, endpoint: str, count: int, seconds: float = 60.0) -> list[str]:
        """Wait until so many replicas are ready or busy in the queue; their names, which are their pods'.

        Raises:
            AssertionError: they are not.
        """

        async def serving() -> list[str]:
            view = await self.queue.look(endpoint)
            names = [it.id for it in view.replicas if it.state.value in {"ready", "busy"}]
            return names if len(names) >= count else []

        return await self.wait(serving, seconds, f"{count} replicas of {endpoint} ready")

    async def _client(self, host: str, port: str, token: str | None, seconds: float) -> httpx.AsyncClient:
        told = self.access.token if token is None else token
        headers = {"Host": host} | ({"Authorization": f"Bearer {told}"} if told else {})
        client = httpx.AsyncClient(
            base_url=self._addresses.public if port == "public" else self._addresses.all,
            headers=headers,
            timeout=httpx.Timeout(seconds, connect=10.0),
            limits=httpx.Limits(max_connections=200, max_keepalive_connections=0),
            trust_env=False,
            verify=False,  # noqa: S501 - plain HTTP inside the cluster; reading authorities would take 0.1 s
        )
        return await self._stack.enter_async_context(client)


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the suite reaches an installation: URLs of the gateway's two client ports, host:port of the queue."""

    public: str
    all: str
    queue: str


async def find_addresses(api: ClusterApi, namespace: str) -> Addresses:
    """The Services' own addresses, unless `E2E_GATEWAY` (`public-url,all-url`) and `E2E_QUEUE` (`host:port`) say others."""
    gateway = (await api.get("services", "gateway", namespace))["spec"]["clusterIP"]
    queue = (await api.get("services", "queue", namespace))["spec"]["clusterIP"]
    public, _, every = os.environ.get("E2E_GATEWAY", "").partition(",")
    return Addresses(
        public=public or f"http://{gateway}:{PUBLIC_PORT}",
        all=every or f"http://{gateway}:{ALL_PORT}",
        queue=os.environ.get("E2E_QUEUE") or f"{queue}:{QUEUE_PORT}",
    )


@asynccontextmanager
async def open_platform(access: Access) -> AsyncIterator[Platform]:
    """An installation as a test sees it; clients are closed afterwards."""
    async with AsyncExitStack() as stack:
        api = await stack.enter_async_context(open_api(access.context))
        addresses = await find_addresses(api, access.namespace)
        yield Platform(access, api, addresses, stack)
    # TLS connections are gone a moment after their session was closed; a loop that ends before leaves them behind.
    await asyncio.sleep(CLOSING_SECONDS)


def kubectl(context: str | None, *arguments: str) -> list[str]:
    """A command line of kubectl in a context."""
    return ["kubectl", *(("--context", context) if context else ()), *arguments]
