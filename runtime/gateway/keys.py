"""`Idempotency-Key`: reading it, and the hashes by which the queue tells a repetition from a new request.

The draft has the key as a structured field's string, `"8e03978e"`; most clients send it bare, so both count.
"""

import hashlib
import json
import re

from runtime.gateway.errors import MalformedRequestError
from runtime.queue.port import IdempotencyKey

MOST_CHARACTERS = 255
"""Of a key, its quotes not counted."""

_QUOTED = re.compile(r'"(?P<key>(?:[\x20-\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"')
_ESCAPED = re.compile(r'\\(["\\])')
_BARE = re.compile(r"[A-Za-z0-9!#$%&'*+./:^_`|~=@-]+")


def read_key(value: str) -> str | None:
    """The key in a header's value; None where the header is absent (empty).

    Raises:
        MalformedRequestError: it is neither a string nor a token, or too long.
    """
    if not value:
        return None
    quoted = _QUOTED.fullmatch(value)
    key = _ESCAPED.sub(r"\1", quoted["key"]) if quoted else value
    if not key or len(key) > MOST_CHARACTERS or not (quoted or _BARE.fullmatch(value)):
        raise MalformedRequestError(
            'Idempotency-Key must be a string in quotes, such as "8e03978e-40d5", or a bare token,'
            f" of 1 to {MOST_CHARACTERS} characters."
        )
    return key


class Fingerprint:
    """What must be the same under the same key: method, target and body, hashed while the body is read."""

    def __init__(self, method: str, target: str) -> None:
        self._hash = hashlib.sha256(f"{method} {target}\n".encode())

    def add(self, chunk: bytes) -> None:
        """The body's next piece."""
        self._hash.update(chunk)

    def key(self, caller: str, endpoint: str, key: str) -> IdempotencyKey:
        """The key of this caller at this endpoint, when the whole body was added."""
        scope = json.dumps([caller, endpoint, key]).encode()
        return IdempotencyKey(hashlib.sha256(scope).hexdigest(), self._hash.hexdigest())
