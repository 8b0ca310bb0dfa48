"""What an object store can do, and the names of objects.

A name is a request id and what it holds, so that no name can leave its place.
"""

import re
from collections.abc import AsyncIterator, Iterable
from typing import Literal, Protocol, runtime_checkable

from runtime.queue.port import DEAD_SECONDS, RESULT_SECONDS
from runtime.wire import endpoint_of, is_request_id

Kind = Literal["body", "answer"]
CHUNK_BYTES = 256 * 1024
"""How much is read or written at a time: the memory one transfer costs."""
LIFE_SECONDS: dict[Kind, float] = {
    "answer": 2 * RESULT_SECONDS,
    "body": RESULT_SECONDS + DEAD_SECONDS,
}
"""How long answers and bodies are kept: a wait in the queue, then the life of a result or of a dead letter."""

_NAME = re.compile(r"(?P<id>.+?)\.(?:(?P<body>body)|[1-9][0-9]{0,2}\.answer)")


class ObjectError(Exception):
    """The object store refused; subclasses say why."""


class BadNameError(ObjectError, ValueError):
    """The text is no object name: a request id and `.body` or `.<attempt>.answer`."""


class NoObjectError(ObjectError, LookupError):
    """There is no such object (any more)."""


class ObjectsFullError(ObjectError):
    """There is no room for it; nothing was stored."""


class ObjectsAwayError(ObjectError):
    """The store cannot be reached, or does not do what it should."""


def body_name(request_id: str) -> str:
    """Where a request's body is kept."""
    return f"{request_id}.body"


def answer_name(request_id: str, attempt: int) -> str:
    """Where an attempt's answer is kept; one a take, so that a late worker cannot overwrite another's."""
    return f"{request_id}.{attempt}.answer"


def check_name(name: str) -> tuple[str, Kind]:
    """The endpoint and the kind of the object that has this name.

    Raises:
        BadNameError: no object can have it.
    """
    match = _NAME.fullmatch(name)
    if match is None or not is_request_id(match["id"]):
        raise BadNameError(f"{name!r} is no object name")
    return endpoint_of(match["id"]), "body" if match["body"] else "answer"


class Objects(Protocol):
    """Named, write-once byte strings of any size.

    Every method raises BadNameError for a bad name, and ObjectsAwayError while the store cannot be reached.
    """

    async def write(self, name: str, chunks: AsyncIterator[bytes]) -> int:
        """Store all chunks under the name, whole or not at all; its size in bytes comes back.

        Raises:
            ObjectsFullError: there is no room for it.
        """
        ...

    def read(self, name: str) -> AsyncIterator[bytes]:
        """The object, in chunks of at most 256 KiB.

        Raises:
            NoObjectError: at the first chunk, when there is none; later, when it is removed meanwhile.
        """
        ...

    async def size(self, name: str) -> int:
        """Its size in bytes.

        Raises:
            NoObjectError: there is none.
        """
        ...

    async def remove(self, name: str) -> None:
        """Forget the object; no fault where there is none."""
        ...

    async def remove_older_than(self, seconds: float, now: float, kind: Kind) -> int:
        """Forget objects of a kind written so long before `now` (epoch seconds); how many comes back.

        A store whose objects go by themselves has nothing to do.
        """
        ...


@runtime_checkable
class SharesRoom(Protocol):
    """A store whose memory is the queue's too, and is bounded where it is written to."""

    async def share_room(self, endpoints: Iterable[str], most_bytes: int) -> int:
        """Say how many bytes the endpoints' objects may take together; how many they take comes back."""
        ...


async def in_pieces(chunks: AsyncIterator[bytes], piece_bytes: int) -> AsyncIterator[bytes]:
    """The same bytes in pieces of this size, only the last one smaller; nothing for nothing."""
    pending = bytearray()
    async for chunk in chunks:
        pending += chunk
        while len(pending) >= piece_bytes:
            yield bytes(pending[:piece_bytes])
            del pending[:piece_bytes]
    if pending:
        yield bytes(pending)
