"""Every refusal of the gateway: its HTTP status and wire code are fixed on the class.

GatewayError
├── the request:   UnknownRouteError UnknownHostError UnknownEndpointError UnknownRequestError
│                  UnauthorizedError MethodError ForbiddenError MalformedRequestError BodyTooLargeError
│                  BodyTimeoutError WebSocketError KeyTakenError NotDeadError NoUsageKeptError
├── not now:       FullError RateLimitedError QueueAwayError ApiAwayError NotReadyError SwitchedOffError
│                  GatewayFullError StoreFullError StoreAwayError NoUsageNowError StoppingError
│                  NotFinishedError
├── no answer:     WaitedTooLongError RanTooLongError FailedError DeadLetterError CancelledByUserError
│                  LostError AnswerNotKeptError
└── InternalError
"""

import math
from typing import ClassVar


class GatewayError(Exception):
    """A refusal that its caller reads as JSON: `{"error": {"code", "message", "request_id"}}`."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal"

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.retry_after = retry_after
        """Seconds after which a repetition makes sense; None where it does not."""

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """Headers of the refusal beside type and length."""
        if self.retry_after is None:
            return []
        return [(b"retry-after", b"%d" % max(1, math.ceil(self.retry_after)))]


class InternalError(GatewayError):
    """A fault of ours; the log tells which."""


class UnknownRouteError(GatewayError):
    """The platform has no such path."""

    status = 404
    code = "unknown-route"


class UnknownHostError(GatewayError):
    """Neither an endpoint nor the platform answers at this host."""

    status = 404
    code = "unknown-host"


class UnknownEndpointError(GatewayError):
    """No endpoint has this name."""

    status = 404
    code = "unknown-endpoint"


class UnknownRequestError(GatewayError):
    """No request has this id, or it was forgotten."""

    status = 404
    code = "unknown-request"


class MethodError(GatewayError):
    """The path is there, but not for this method."""

    status = 405
    code = "method-not-allowed"


class UnauthorizedError(GatewayError):
    """A token is needed and none, or an unknown one, was given."""

    status = 401
    code = "unauthorized"

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """Says how to authenticate."""
        return [(b"www-authenticate", b'Bearer realm="moorage"')]


class ForbiddenError(GatewayError):
    """The token is good, but not for this endpoint."""

    status = 403
    code = "forbidden"


class MalformedRequestError(GatewayError):
    """The request cannot be read."""

    status = 400
    code = "malformed-request"


class BodyTooLargeError(GatewayError):
    """The body is larger than the endpoint's `limits.body_mib`."""

    status = 413
    code = "body-too-large"


class BodyTimeoutError(GatewayError):
    """The client stopped sending its body."""

    status = 408
    code = "body-timeout"


class WebSocketError(GatewayError):
    """Endpoints speak HTTP; a WebSocket cannot be queued."""

    status = 501
    code = "websocket-unsupported"


class KeyTakenError(GatewayError):
    """The `Idempotency-Key` was first sent with another request."""

    status = 422
    code = "key-conflict"


class NotDeadError(GatewayError):
    """Only a dead letter can be replayed."""

    status = 409
    code = "not-dead"


class NoUsageKeptError(GatewayError):
    """This platform keeps no usage."""

    status = 404
    code = "usage-not-kept"


class FullError(GatewayError):
    """The endpoint's queue is full."""

    status = 429
    code = "queue-full"


class RateLimitedError(GatewayError):
    """The caller has used up its rate."""

    status = 429
    code = "rate-limited"


class GatewayFullError(GatewayError):
    """This gateway has as many clients, or reads as many bytes, as it may at one time."""

    status = 503
    code = "gateway-full"


class StoreFullError(GatewayError):
    """The object store has no room for a large body."""

    status = 503
    code = "store-full"


class StoreAwayError(GatewayError):
    """The object store cannot be reached."""

    status = 503
    code = "store-unavailable"


class NoUsageNowError(GatewayError):
    """The database of usage cannot be reached."""

    status = 503
    code = "usage-unavailable"


class QueueAwayError(GatewayError):
    """The queue cannot be reached; nothing was accepted."""

    status = 503
    code = "queue-unavailable"


class ApiAwayError(GatewayError):
    """The platform API cannot be reached, or broke off before it answered."""

    status = 503
    code = "api-unavailable"


class NotReadyError(GatewayError):
    """No replica is ready yet; one has been asked for."""

    status = 503
    code = "not-ready"


class SwitchedOffError(GatewayError):
    """The endpoint may have no replica: its `replicas.max` is 0."""

    status = 503
    code = "switched-off"


class StoppingError(GatewayError):
    """This gateway is shutting down; another try reaches its successor."""

    status = 503
    code = "stopping"


class NotFinishedError(GatewayError):
    """The answer is not there yet."""

    status = 425
    code = "not-finished"


class WaitedTooLongError(GatewayError):
    """It waited longer than `limits.queue_seconds`."""

    status = 504
    code = "waited-too-long"


class RanTooLongError(GatewayError):
    """It ran longer than `limits.request_seconds`."""

    status = 504
    code = "ran-too-long"


class FailedError(GatewayError):
    """It ran and cannot be answered."""

    status = 502
    code = "failed"


class DeadLetterError(GatewayError):
    """The model died under it too often; it is kept as a dead letter."""

    status = 502
    code = "dead-letter"


class CancelledByUserError(GatewayError):
    """It was cancelled."""

    status = 410
    code = "cancelled"


class LostError(GatewayError):
    """The queue knows it no longer."""

    status = 503
    code = "request-lost"


class AnswerNotKeptError(GatewayError):
    """It was answered, but the answer is not stored (any more)."""

    status = 404
    code = "answer-not-kept"
