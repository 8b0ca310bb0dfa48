"""What the program asks of the cluster while it runs, where there is one: nodes, and whether all has drained."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol, TypeVar

import pulumi
from pulumi import Output, ResourceHook, ResourceHookArgs

from runtime.wire.names import record_name

LOOK_SECONDS = 10.0
DRAIN_SECONDS = 3600.0
"""Longest that the end of an endpoint waits for what is still in its queue."""
POLL_SECONDS = 2.0
TELL_EVERY = 15
"""Polls between two lines that say what is still running."""
_NOT_FOUND = 404

T = TypeVar("T")
Selector = Sequence[tuple[str, Sequence[str]]]


class Cluster(Protocol):
    """What the program may ask."""

    def count_nodes(self, context: str | None, selector: Selector) -> int | None:
        """How many nodes match now; None where nobody can tell."""
        ...

    def drain_hook(
        self, context: str | None, kubeconfig: Output[str] | None, namespace: str
    ) -> ResourceHook | None:
        """What is called before an endpoint's Deployment is deleted; None without an engine."""
        ...


class Unseen:
    """No cluster: a recording asks nothing of anybody."""

    def count_nodes(self, context: str | None, selector: Selector) -> int | None:
        """Nobody can tell."""
        del context, selector
        return None

    def drain_hook(
        self, context: str | None, kubeconfig: Output[str] | None, namespace: str
    ) -> ResourceHook | None:
        """There is nothing to drain."""
        del context, kubeconfig, namespace
        return None


class Seen:
    """The cluster of a kubeconfig's context, or of a kubeconfig that the program itself makes."""

    def count_nodes(self, context: str | None, selector: Selector) -> int | None:
        """How many nodes match now; None where the cluster does not answer, for a preview may come first."""

        async def count(api: Any) -> int:
            wanted = ",".join(f"{key} in ({','.join(values)})" for key, values in selector)
            found = await api.list_node(label_selector=wanted, limit=500, _request_timeout=LOOK_SECONDS)
            return len(found.items)

        if not selector:
            return None
        try:
            return _ask(context, None, lambda core, _: count(core), LOOK_SECONDS)
        except Exception as error:  # noqa: BLE001 - a look must never stop a preview; its kind is told
            pulumi.log.debug(f"nodes cannot be counted: {type(error).__name__}")
            return None

    def drain_hook(
        self, context: str | None, kubeconfig: Output[str] | None, namespace: str
    ) -> ResourceHook | None:
        """Waits until the scaler has brought an endpoint that is removed to no replica."""

        async def wait(args: ResourceHookArgs) -> None:
            made = None if kubeconfig is None else await kubeconfig.future()
            await asyncio.to_thread(_wait_until_drained, context, made, namespace, args)

        return ResourceHook("drained", wait)


def _wait_until_drained(
    context: str | None, kubeconfig: str | None, namespace: str, args: ResourceHookArgs
) -> None:
    found = (args.old_outputs or {}).get("metadata", {})

    async def wait(core: Any, apps: Any) -> None:
        if await _exists(core, record_name(found["name"]), namespace):
            return  # it is replaced, not removed: who waits has the new one
        for turn in range(round(DRAIN_SECONDS / POLL_SECONDS)):
            running = await _replicas(apps, found["name"], found["namespace"])
            if not running:
                return
            if turn % TELL_EVERY == 0:
                pulumi.log.info(f"{found['name']}: {running} replicas still work off what waits")
            await asyncio.sleep(POLL_SECONDS)
        pulumi.log.warn(f"{found['name']}: not drained after {DRAIN_SECONDS:g} s, it is deleted all the same")

    _ask(context, kubeconfig, wait, DRAIN_SECONDS + LOOK_SECONDS)


async def _exists(core: Any, name: str, namespace: str) -> bool:
    from kubernetes_asyncio.client.exceptions import ApiException  # noqa: PLC0415 - as below

    try:
        await core.read_namespaced_config_map(name, namespace, _request_timeout=LOOK_SECONDS)
    except ApiException as error:
        if error.status == _NOT_FOUND:
            return False
        raise
    return True


async def _replicas(apps: Any, name: str, namespace: str) -> int:
    """How many replicas it has, those that are being stopped not counted; 0 where it is gone."""
    from kubernetes_asyncio.client.exceptions import ApiException  # noqa: PLC0415 - as below

    try:
        found = await apps.read_namespaced_deployment(name, namespace, _request_timeout=LOOK_SECONDS)
    except ApiException as error:
        if error.status == _NOT_FOUND:
            return 0
        raise
    return max(found.spec.replicas or 0, found.status.replicas or 0)


def _ask(
    context: str | None,
    kubeconfig: str | None,
    question: Callable[[Any, Any], Awaitable[T]],
    seconds: float,
) -> T:
    """The answer to a question, asked on a loop of its own: the program's is the engine's."""

    async def ask() -> T:
        # Imported here: three quarters of a preview's start-up would be this client, unused.
        from kubernetes_asyncio import client, config  # noqa: PLC0415

        if kubeconfig is None:
            await config.load_kube_config(context=context)
        else:
            await config.load_kube_config_from_dict(json.loads(kubeconfig))
        async with asyncio.timeout(seconds), client.ApiClient() as api:
            return await question(client.CoreV1Api(api), client.AppsV1Api(api))

    with ThreadPoolExecutor(max_workers=1) as thread:
        return thread.submit(asyncio.run, ask()).result(timeout=seconds + LOOK_SECONDS)
