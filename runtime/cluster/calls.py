"""One call of the Kubernetes API: plain JSON out, one kind of fault, always a deadline.

Objects stay the dicts that the API sends. The client's model classes cost ten times the CPU to build, and
refuse values that a newer server sends.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

from aiohttp import ClientError, ClientResponse, ClientTimeout

Object = dict[str, Any]
"""A Kubernetes object as JSON."""
Call = Callable[..., Awaitable[Any]]
"""A method of one of kubernetes_asyncio's API classes."""

CALL_SECONDS = 5.0
"""Longest wait for one answer, in seconds."""
MERGE_PATCH = "application/merge-patch+json"
_MOST_REASON = 300


class ClusterConfigError(Exception):
    """There is no way to reach a cluster from here."""


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


async def call_json(call: Call, *args: object, seconds: float = CALL_SECONDS, **options: object) -> Object:
    """What the API answers to one call.

    Raises:
        ClusterError: it refused, or did not answer in time.
    """
    text = await call_text(call, *args, seconds=seconds, **options)
    try:
        found = json.loads(text)
    except ValueError as exc:
        raise ClusterError(0, "the answer is no JSON") from exc
    if not isinstance(found, dict):
        raise ClusterError(0, "the answer is no object")
    return found


async def call_text(call: Call, *args: object, seconds: float = CALL_SECONDS, **options: object) -> str:
    """The same, as text: for logs.

    Raises:
        ClusterError: it refused, or did not answer in time.
    """
    try:
        async with asyncio.timeout(seconds):
            response = await open_answer(call, *args, seconds=seconds, **options)
            try:
                return (await response.read()).decode(errors="replace")
            finally:
                response.release()
    except (ClientError, OSError, TimeoutError, ValueError) as exc:
        raise ClusterError(0, _told(exc)) from exc


async def open_answer(call: Call, *args: object, seconds: float, **options: object) -> ClientResponse:
    """The answer with its body still to be read; the caller closes it.

    Raises:
        ClusterError: the API refused.
        ClientError: it cannot be reached; OSError, TimeoutError likewise.
    """
    timeout = ClientTimeout(total=seconds, sock_connect=CALL_SECONDS)
    response: ClientResponse = await call(*args, **options, _preload_content=False, _request_timeout=timeout)
    if response.status >= HTTPStatus.BAD_REQUEST:
        try:
            raise ClusterError(response.status, await _reason(response))
        finally:
            response.close()
    return response


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
