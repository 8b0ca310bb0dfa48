"""Calls of the Kubernetes API: plain JSON in and out, one kind of fault, always a deadline.

Objects stay the dicts that the API sends: classes for them cost ten times the CPU to build, and refuse values that a
newer server sends.
"""

import asyncio
import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from aiohttp import ClientError, ClientResponse, ClientSession, ClientTimeout

from runtime.cluster.access import Access
from runtime.cluster.login import Login

Object = dict[str, Any]
"""A Kubernetes object as JSON."""
Query = Mapping[str, str | int]
"""A call's parameters by the API's own names, such as `labelSelector`."""

CALL_SECONDS = 5.0
"""Longest wait for one answer, in seconds."""
_MOST_REASON = 300


class ClusterError(Exception):
    """The Kubernetes API refused, or did not answer; `status` is its HTTP status, 0 where there was none."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(f"{status}: {reason}" if status else reason)
        self.status = status

    @property
    def is_gone(self) -> bool:
        """Whether the object is not there (any more)."""
        return self.status == HTTPStatus.NOT_FOUND

    @property
    def is_conflict(self) -> bool:
        """Whether the object has changed, or was made, meanwhile."""
        return self.status == HTTPStatus.CONFLICT

    @property
    def is_expired(self) -> bool:
        """Whether the server has forgotten the version that was asked for."""
        return self.status == HTTPStatus.GONE


class ApiClient:
    """One API server, as one user of it; `runtime.cluster.client` makes it.

    Every call raises `ClusterError` when the API refuses it or does not answer in time.
    """

    def __init__(self, session: ClientSession, access: Access, login: Login) -> None:
        self._session = session
        self._access = access
        self._login = login

    @property
    def server(self) -> str:
        """The API server's URL."""
        return self._access.server

    async def read(self, path: str, query: Query | None = None, *, seconds: float = CALL_SECONDS) -> Object:
        """An object, or one page of a list."""
        return _parsed(await self._call("GET", path, query, seconds=seconds))

    async def read_text(self, path: str, query: Query | None = None) -> str:
        """What is no JSON: a log."""
        return await self._call("GET", path, query)

    async def create(self, path: str, body: Object, *, seconds: float = CALL_SECONDS) -> Object:
        """Make an object of the kind that the path names; the conflict says that it was there."""
        return _parsed(await self._call("POST", path, body=body, seconds=seconds))

    async def replace(self, path: str, body: Object, *, seconds: float = CALL_SECONDS) -> Object:
        """Write an object over, unless it has changed since the version in `body`."""
        return _parsed(await self._call("PUT", path, body=body, seconds=seconds))

    async def merge(self, path: str, body: Object) -> Object:
        """Change the fields that `body` holds and no others."""
        kind = "application/merge-patch+json"
        return _parsed(await self._call("PATCH", path, body=body, kind=kind))

    async def open(
        self,
        path: str,
        query: Query | None = None,
        *,
        seconds: float,
        method: str = "GET",
        body: Object | None = None,
        kind: str = "application/json",
    ) -> ClientResponse:
        """The answer with its body still to be read, all of it within `seconds`; the caller closes it.

        Raises:
            ClusterError: the API refused.
            ClientError: it cannot be reached; OSError, TimeoutError likewise.
        """
        response = await self._session.request(
            method,
            f"{self._access.server}{path}",
            params=query,
            json=body,
            headers={**await self._login.headers(), "Content-Type": kind},
            timeout=ClientTimeout(total=seconds, sock_connect=CALL_SECONDS),
            server_hostname=self._access.server_name,
            allow_redirects=False,  # the token is for this server alone
        )
        if response.status < HTTPStatus.MULTIPLE_CHOICES:
            return response
        try:
            if response.status == HTTPStatus.UNAUTHORIZED:
                self._login.forget()
            raise ClusterError(response.status, await _reason(response))
        finally:
            response.close()

    async def _call(
        self,
        method: str,
        path: str,
        query: Query | None = None,
        *,
        body: Object | None = None,
        kind: str = "application/json",
        seconds: float = CALL_SECONDS,
    ) -> str:
        try:
            async with asyncio.timeout(seconds):
                response = await self.open(path, query, seconds=seconds, method=method, body=body, kind=kind)
                try:
                    return (await response.read()).decode(errors="replace")
                finally:
                    response.release()
        except (ClientError, OSError, TimeoutError, ValueError) as exc:
            raise ClusterError(0, _told(exc)) from exc


def _parsed(text: str) -> Object:
    try:
        found = json.loads(text)
    except ValueError as exc:
        raise ClusterError(0, "the answer is no JSON") from exc
    if not isinstance(found, dict):
        raise ClusterError(0, "the answer is no object")
    return found


async def _reason(response: ClientResponse) -> str:
    """The message of the `Status` object that the API sends with a refusal."""
    text = (await response.read()).decode(errors="replace")
    try:
        told = json.loads(text)
    except ValueError:
        told = {}
    message = told.get("message") if isinstance(told, dict) else None
    return str(message or response.reason or "no reason was given")[:_MOST_REASON]


def _told(exc: Exception) -> str:
    return f"{type(exc).__name__}: {exc}" if str(exc) else type(exc).__name__
