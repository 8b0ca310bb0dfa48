"""A request's id, head and states, as they stand in the queue and in the API."""

import json
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

Headers = tuple[tuple[str, str], ...]
"""Header names in lower case with their values, in order, repeated names kept."""

_ID = re.compile(r"(?P<endpoint>[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)\.[0-9a-f]{32}")


class RequestState(StrEnum):
    """Where a request stands; the last five are final."""

    WAITING = "waiting"
    RUNNING = "running"
    COMPLETED = "completed"
    """The model answered, whatever its status."""
    FAILED = "failed"
    """It ran and cannot be answered: past `request_seconds`, or its answer broke off."""
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    """It waited longer than `queue_seconds`."""
    DEAD = "dead"
    """The model died under it three times, or it was taken ten times."""


def new_request_id(endpoint: str) -> str:
    """An id that nobody can guess (128 random bits) and that carries its endpoint: `<endpoint>.<hex>`."""
    return f"{endpoint}.{secrets.token_hex(16)}"


def is_request_id(text: str) -> bool:
    """Whether the text has the shape of a request id, and so may name a key or a file."""
    return _ID.fullmatch(text) is not None


def endpoint_of(request_id: str) -> str:
    """The endpoint that a request id carries.

    Raises:
        ValueError: the text has not the shape of a request id.
    """
    match = _ID.fullmatch(request_id)
    if match is None:
        raise ValueError(f"{request_id!r} is no request id")
    return match["endpoint"]


@dataclass(frozen=True, slots=True)
class RequestHead:
    """A client's request without its body, as the model will see it."""

    method: str
    target: str
    """Path and query, percent-encoded as it came, without the endpoint's prefix."""
    headers: Headers

    def encode(self) -> bytes:
        """One JSON array, ASCII."""
        return json.dumps([self.method, self.target, self.headers]).encode()

    @classmethod
    def decode(cls, raw: bytes) -> "RequestHead":
        """The head that `encode` wrote."""
        method, target, headers = json.loads(raw)
        return cls(method, target, _pairs(headers))


@dataclass(frozen=True, slots=True)
class AnswerHead:
    """A model's answer without its body."""

    status: int
    headers: Headers

    def encode(self) -> bytes:
        """One JSON array, ASCII."""
        return json.dumps([self.status, self.headers]).encode()

    @classmethod
    def decode(cls, raw: bytes) -> "AnswerHead":
        """The head that `encode` wrote."""
        status, headers = json.loads(raw)
        return cls(status, _pairs(headers))


def _pairs(headers: Sequence[Sequence[str]]) -> Headers:
    return tuple((name, value) for name, value in headers)
