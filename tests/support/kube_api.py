"""A Kubernetes API in memory, over HTTP: lists in pages, watches, conflicts, and faults on demand."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from runtime.cluster.access import Access
from runtime.cluster.calls import ApiClient
from runtime.cluster.client import open_client

Object = dict[str, Any]


@dataclass
class KubeApi:
    """Objects by path, such as `/api/v1/namespaces/moorage/configmaps`; every write has a later version."""

    version: int = 1
    objects: dict[str, dict[str, Object]] = field(default_factory=dict)
    events: list[tuple[int, str, str, Object]] = field(default_factory=list)
    """Version, path, type and object of everything that happened."""
    oldest: int = 0
    """Watches from before this version are answered with 410."""
    asked: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    """Method, path and query of every call."""
    refusals: list[int] = field(default_factory=list)
    """Statuses that the next calls are refused with."""
    hang: asyncio.Event | None = None
    """While set to an event, every call waits for it."""
    watching: int = 0
    page: int | None = None
    """Most objects of one page, whatever is asked for."""
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _drop: asyncio.Event = field(default_factory=asyncio.Event)

    def put(self, path: str, found: Object) -> Object:
        """Create or change an object."""
        name = found["metadata"]["name"]
        kind = "MODIFIED" if name in self.objects.get(path, {}) else "ADDED"
        found = json.loads(json.dumps(found))
        found["metadata"]["resourceVersion"] = str(self._next())
        self.objects.setdefault(path, {})[name] = found
        self._tell(path, kind, found)
        return found

    def delete(self, path: str, name: str) -> None:
        """Delete an object."""
        found = self.objects[path].pop(name)
        found["metadata"]["resourceVersion"] = str(self._next())
        self._tell(path, "DELETED", found)

    def expire(self) -> None:
        """Forget every version so far: watches that go on from them get 410."""
        self.oldest = self._next()
        self.drop()

    def drop(self) -> None:
        """Cut every watch off, without an end."""
        self._drop.set()
        self._drop = asyncio.Event()

    def lists(self, path: str) -> int:
        """How many lists (first pages) of a path were asked for."""
        return sum(
            asked == path and "watch" not in query and "continue" not in query
            for _, asked, query in self.asked
        )

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """One call."""
        self.asked.append((request.method, request.path, dict(request.query)))
        if self.hang is not None:
            await self.hang.wait()
        if self.refusals:
            return _refused(self.refusals.pop(0))
        if request.method == "GET" and request.path in self.objects and "watch" in request.query:
            return await self._watch(request)
        if request.method == "GET" and request.path in self.objects:
            return self._list(request)
        return await self._single(request)

    def _list(self, request: web.Request) -> web.Response:
        label = request.query.get("labelSelector", "")
        found = [
            each
            for _, each in sorted(self.objects[request.path].items())
            if not label or label in (each["metadata"].get("labels") or {})
        ]
        start = int(request.query.get("continue", 0))
        limit = min(int(request.query.get("limit", len(found) or 1)), self.page or 10**6)
        metadata: Object = {"resourceVersion": str(self.version)}
        if start + limit < len(found):
            metadata["continue"] = str(start + limit)
        return web.json_response({"metadata": metadata, "items": found[start : start + limit]})

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        since, path = int(request.query["resourceVersion"]), request.path
        response = web.StreamResponse()
        await response.prepare(request)
        if since < self.oldest:
            told = {"code": 410, "message": "too old resource version", "reason": "Expired"}
            await response.write(json.dumps({"type": "ERROR", "object": told}).encode() + b"\n")
            return response
        drop = self._drop
        self.watching += 1
        try:
            async with asyncio.timeout(float(request.query["timeoutSeconds"])):
                while not drop.is_set():
                    changed = self._changed
                    since = await self._send(response, path, since)
                    await _first(changed, drop)
            _cut(request)
        except TimeoutError:
            bookmark = {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": str(self.version)}}}
            await response.write(json.dumps(bookmark).encode() + b"\n")
        finally:
            self.watching -= 1
        return response

    async def _send(self, response: web.StreamResponse, path: str, since: int) -> int:
        """Send what happened after a version; the version of the last of it comes back."""
        for version, where, kind, found in list(self.events):
            if where == path and version > since:
                await response.write(json.dumps({"type": kind, "object": found}).encode() + b"\n")
                since = version
        return since

    async def _single(self, request: web.Request) -> web.Response:
        path, _, name = request.path.rpartition("/")
        if request.method == "POST":
            return self._create(request.path, await request.json())
        if name == "scale":
            path, _, name = path.rpartition("/")
            return await self._scale(request, path, name)
        known = self.objects.get(path, {}).get(name)
        if known is None:
            return _refused(404)
        if request.method == "GET":
            return web.json_response(known)
        body = await request.json()
        version = body["metadata"].get("resourceVersion")
        if version not in {None, known["metadata"]["resourceVersion"]}:
            return _refused(409)
        return web.json_response(self.put(path, _merged(known, body)))

    def _create(self, path: str, body: Object) -> web.Response:
        if body["metadata"]["name"] in self.objects.get(path, {}):
            return _refused(409)
        return web.json_response(self.put(path, body), status=201)

    async def _scale(self, request: web.Request, path: str, name: str) -> web.Response:
        known = self.objects.get(path, {}).get(name)
        if known is None:
            return _refused(404)
        body = await request.json()
        version = (body.get("metadata") or {}).get("resourceVersion")
        if version not in {None, known["metadata"]["resourceVersion"]}:
            return _refused(409)
        found = self.put(path, _merged(known, {"spec": body["spec"]}))
        return web.json_response({"metadata": found["metadata"], "spec": body["spec"]})

    def _next(self) -> int:
        self.version += 1
        return self.version

    def _tell(self, path: str, kind: str, found: Object) -> None:
        self.events.append((self.version, path, kind, json.loads(json.dumps(found))))
        self._changed.set()
        self._changed = asyncio.Event()


@asynccontextmanager
async def serve_kube(api: KubeApi) -> AsyncIterator[ApiClient]:
    """A client of the API, which is served on a loopback port while the block runs."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", api.answer)
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port = runner.addresses[0][1]
        async with open_client(Access(f"http://127.0.0.1:{port}")) as client:
            yield client
    finally:
        api.drop()
        with suppress(TimeoutError):
            async with asyncio.timeout(2):
                await runner.cleanup()


async def _first(*events: asyncio.Event) -> None:
    """Wait until one of them is set."""
    waits = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()


def _cut(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()


def _refused(status: int) -> web.Response:
    told = {"kind": "Status", "code": status, "message": f"refused with {status}"}
    return web.json_response(told, status=status)


def _merged(known: Object, change: Object) -> Object:
    """A JSON merge patch."""
    merged = dict(known)
    for key, value in change.items():
        before = merged.get(key)
        merged[key] = (
            _merged(before, value) if isinstance(before, dict) and isinstance(value, dict) else value
        )
    return merged
