"""Names of the headers that clients, gateway and worker exchange."""

ASYNC = "x-octoai-async"
"""`1`, and only that value, asks for an id instead of the answer."""
REQUEST_ID = "x-user-request-id"
"""The request's id on every answer; the original clients print it in their errors."""
PRIORITY = "x-priority"
"""`high`, `normal` or `low`: who goes first of those that wait."""
IDEMPOTENCY_KEY = "idempotency-key"
"""Names a request, so that a repetition is not run again. Source: draft-ietf-httpapi-idempotency-key-header-07."""
IDEMPOTENCY_REPLAYED = "idempotency-replayed"
"""`true` on answers to a request whose key was known."""
QUEUE_POSITION = "x-queue-position"
"""On answers: how many requests were before this one when it was accepted."""
QUEUE_ESTIMATE = "x-queue-estimate-seconds"
"""On answers: how long it was expected to wait, when it was accepted."""
QUEUE_WAIT = "x-queue-wait-seconds"
"""On answers: how long it waited for its replica."""
ATTEMPT = "moorage-attempt"
"""Worker to gateway: which take of the request this answer belongs to."""
ANSWER_SECRET = "moorage-answer-secret"  # noqa: S105 - a header's name
"""Worker to gateway: the one-time secret from the request's record."""
WAITED = "moorage-waited"
"""Worker to gateway: seconds that the request waited for its take."""

HOP_BY_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
"""Headers of one connection, never passed on. Source: RFC 9110 section 7.6.1."""
