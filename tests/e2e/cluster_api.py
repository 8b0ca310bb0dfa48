"""The Kubernetes API as the suite asks it: plain JSON, and watches that note when they heard of something."""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from types import MappingProxyType
from typing import Any

from aiohttp import ClientResponse

from runtime.cluster.calls import ApiClient, ClusterError
from runtime.cluster.client import open_cluster

Object = dict[str, Any]
"""A Kubernetes object as JSON."""

CORE, APPS = "/api/v1", "/apis/apps/v1"
PLACES: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(
            ("configmaps", "events", "namespaces", "nodes", "persistentvolumeclaims", "pods", "secrets"), CORE
        ),
        "services": CORE,
        **dict.fromkeys(("deployments", "replicasets", "statefulsets"), APPS),
        "horizontalpodautoscalers": "/apis/autoscaling/v2",
        "ingresses": "/apis/networking.k8s.io/v1",
        "leases": "/apis/coordination.k8s.io/v1",
        "poddisruptionbudgets": "/apis/policy/v1",
        "scaledobjects": "/apis/keda.sh/v1alpha1",
    }
)
"""Kinds by the name that stands in their address, to what stands before it."""
CALL_SECONDS = 15.0
MERGE_PATCH = "application/merge-patch+json"
WATCH_SECONDS = 600


class ApiError(Exception):
    """The API refused; `status` is its HTTP status."""

    def __init__(self, status: int, what: str) -> None:
        super().__init__(f"{status}: {what}")
        self.status = status


@dataclass(frozen=True, slots=True)
class Event:
    """A change, and when this process heard of it (`time.monotonic`)."""

    at: float
    type: str
    """ADDED, MODIFIED or DELETED."""
    object: Object

    @property
    def name(self) -> str:
        """Of the object."""
        return str(self.object["metadata"]["name"])


class ClusterApi:
    """Reads, changes and watches objects; a kind is named as in an address: `pods`, `deployments`."""

    def __init__(self, client: ApiClient) -> None:
        self._client = client

    async def get(self, kind: str, name: str, namespace: str | None = None) -> Object:
        """One object.

        Raises:
            ApiError: it is not there (404), or the API refuses.
        """
        return await self._call("GET", _path(kind, namespace, name))

    async def find(self, kind: str, name: str, namespace: str | None = None) -> Object | None:
        """One object; None where it is not there.

        Raises:
            ApiError: the API refuses.
        """
        try:
            return await self.get(kind, name, namespace)
        except ApiError as error:
            if error.status == HTTPStatus.NOT_FOUND:
                return None
            raise

    async def list(self, kind: str, namespace: str | None = None, selector: str = "") -> list[Object]:
        """All objects of a kind, of one namespace or of all; `selector` is one of labels.

        Raises:
            ApiError: the API refuses.
        """
        found = await self._call("GET", _path(kind, namespace), {"labelSelector": selector})
        return list(found.get("items") or ())

    async def log(self, pod: str, container: str, namespace: str, *, is_former: bool = False) -> str | None:
        """What a container wrote, or in its former life; None where there is nothing of it.

        Raises:
            ApiError: the API does not answer in time.
        """
        query = {"container": container, "previous": str(is_former).lower()}
        try:
            return await self._client.read_text(f"{_path('pods', namespace, pod)}/log", query)
        except ClusterError as error:
            if error.status in {HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND}:
                return None
            raise ApiError(error.status, str(error)) from error

    async def version(self, kind: str, namespace: str | None = None) -> str:
        """What a watch goes on from to hear of all that happens after this moment.

        Raises:
            ApiError: the API refuses.
        """
        found = await self._call("GET", _path(kind, namespace), {"limit": "1"})
        return str(found["metadata"]["resourceVersion"])

    async def patch(
        self, kind: str, name: str, change: Mapping[str, Any], namespace: str | None = None
    ) -> Object:
        """Merge a change into an object; `name` may end in `/scale` or `/status`.

        Raises:
            ApiError: the API refuses.
        """
        return await self._call("PATCH", _path(kind, namespace, name), None, dict(change), MERGE_PATCH)

    async def delete(
        self, kind: str, name: str, namespace: str | None = None, *, grace_seconds: int | None = None
    ) -> None:
        """Delete an object; one that is not there is as good.

        Raises:
            ApiError: the API refuses.
        """
        body: Object = {} if grace_seconds is None else {"gracePeriodSeconds": grace_seconds}
        try:
            await self._call("DELETE", _path(kind, namespace, name), body=body)
        except ApiError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise

    async def evict(self, pod: str, namespace: str) -> None:
        """Ask for a pod to go as a drain of its node does.

        Raises:
            ApiError: a budget forbids it (429), or the API refuses.
        """
        metadata = {"name": pod, "namespace": namespace}
        body: Object = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": metadata}
        await self._call("POST", f"{_path('pods', namespace, pod)}/eviction", body=body)

    async def watch(
        self,
        kind: str,
        namespace: str,
        selector: str = "",
        *,
        version: str = "",
        opened: asyncio.Event | None = None,
    ) -> AsyncGenerator[Event, None]:
        """Changes as they come, after a version (without one all that is there comes first, as ADDED).

        `opened` is set once the API has begun to answer.

        Raises:
            ApiError: the API refuses, or sends an error.
        """
        query = {"watch": "true", "timeoutSeconds": str(WATCH_SECONDS), "labelSelector": selector}
        if version:
            query["resourceVersion"] = version
        response = await self._open("GET", _path(kind, namespace), query, WATCH_SECONDS + 10)
        try:
            if opened is not None:
                opened.set()
            rest = b""
            async for chunk in response.content.iter_any():
                at = time.monotonic()
                *lines, rest = (rest + chunk).split(b"\n")
                for line in filter(None, lines):
                    yield _event(at, json.loads(line))
        finally:
            response.close()

    async def _call(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Object | None = None,
        kind: str = "application/json",
    ) -> Object:
        async with asyncio.timeout(CALL_SECONDS):
            response = await self._open(method, path, query, CALL_SECONDS, body=body, kind=kind)
            try:
                found: Object = json.loads(await response.read())
                return found
            finally:
                response.release()

    async def _open(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        seconds: float,
        *,
        body: Object | None = None,
        kind: str = "application/json",
    ) -> ClientResponse:
        given = {key: value for key, value in (query or {}).items() if value}
        try:
            return await self._client.open(path, given, seconds=seconds, method=method, body=body, kind=kind)
        except ClusterError as error:
            raise ApiError(error.status, f"{method} {path}: {error}") from error


@asynccontextmanager
async def open_api(context: str | None) -> AsyncIterator[ClusterApi]:
    """The API of a kubeconfig's context (without one its current) while the block runs."""
    async with open_cluster(context) as client:
        yield ClusterApi(client)


@asynccontextmanager
async def recorded(
    api: ClusterApi, kind: str, namespace: str, selector: str = ""
) -> AsyncIterator[list[Event]]:
    """Every change of a kind from now on, in a list that grows while the block runs."""
    version = await api.version(kind, namespace)
    events: list[Event] = []
    opened = asyncio.Event()

    async def follow() -> None:
        changes = api.watch(kind, namespace, selector, version=version, opened=opened)
        async with aclosing(changes):
            async for event in changes:
                events.append(event)  # noqa: PERF401 - extend would give all of them at the end

    async with asyncio.TaskGroup() as group:
        task = group.create_task(follow())
        async with asyncio.timeout(CALL_SECONDS):
            await opened.wait()
        try:
            yield events
        finally:
            task.cancel()


def _path(kind: str, namespace: str | None, name: str = "") -> str:
    space = f"/namespaces/{namespace}" if namespace else ""
    return f"{PLACES[kind]}{space}/{kind}" + (f"/{name}" if name else "")


def _event(at: float, said: Object) -> Event:
    if said["type"] == "ERROR":
        raise ApiError(int(said["object"].get("code") or 0), str(said["object"].get("message")))
    return Event(at, said["type"], said["object"])
