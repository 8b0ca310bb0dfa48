"""How a worker sends an answer to a gateway: the head, framed, then the body's bytes as they come.

`POST /answers/<request id>` on the gateway's inner port. The body is the head's length in 4 bytes (big
endian), the head (`AnswerHead.encode`), and then the raw answer body. The gateway replies with a `Reply`.
"""

from enum import IntEnum

from runtime.wire.requests import AnswerHead

ANSWERS_PATH = "/answers/"
"""Path on the inner port, before the request's id."""
MOST_HEAD_BYTES = 256 * 1024
"""No answer's headers are larger."""

_PREFIX_BYTES = 4


class Reply(IntEnum):
    """What the gateway says to a worker that sent an answer: an HTTP status."""

    DELIVERED = 204
    """Everything reached the client's connection."""
    MALFORMED = 400
    FORBIDDEN = 403
    """Not the request's secret."""
    UNKNOWN = 404
    STALE = 409
    """A later attempt has begun, or bytes of an earlier one have already left."""
    GONE = 410
    """Nobody waits for it any more."""


class MalformedAnswerError(ValueError):
    """What a worker sent does not begin with a framed head."""


def frame_head(head: AnswerHead) -> bytes:
    """What goes before the answer's body."""
    raw = head.encode()
    return len(raw).to_bytes(_PREFIX_BYTES, "big") + raw


class HeadReader:
    """Gathers the framed head from chunks of any size."""

    def __init__(self) -> None:
        self._pending = b""

    def feed(self, chunk: bytes) -> tuple[AnswerHead, bytes] | None:
        """The head and the body bytes after it, once both prefix and head are there; None before.

        Raises:
            MalformedAnswerError: these bytes are no framed head.
        """
        self._pending += chunk
        if len(self._pending) < _PREFIX_BYTES:
            return None
        end = _PREFIX_BYTES + int.from_bytes(self._pending[:_PREFIX_BYTES], "big")
        if end > MOST_HEAD_BYTES:
            raise MalformedAnswerError(f"a head of {end} bytes; at most {MOST_HEAD_BYTES} are read")
        if len(self._pending) < end:
            return None
        return _decode(self._pending[_PREFIX_BYTES:end]), self._pending[end:]


def _decode(raw: bytes) -> AnswerHead:
    try:
        head = AnswerHead.decode(raw)
    except (ValueError, TypeError) as exc:
        raise MalformedAnswerError("the head is no JSON array of status and headers") from exc
    if not isinstance(head.status, int) or not 200 <= head.status <= 599:  # noqa: PLR2004 - HTTP's final statuses
        raise MalformedAnswerError(f"{head.status!r} is no status of a final answer")
    return head
