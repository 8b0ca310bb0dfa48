"""Names of the headers that clients, gateway and worker exchange."""

ASYNC = "x-octoai-async"
"""`1`, and only that value, asks for an id instead of the answer."""
REQUEST_ID = "x-user-request-id"
"""The request's id on every answer; the original clients print it in their errors."""
ATTEMPT = "moorage-attempt"
"""Worker to gateway: which take of the request this answer belongs to."""
ANSWER_SECRET = "moorage-answer-secret"  # noqa: S105 - a header's name
"""Worker to gateway: the one-time secret from the request's record."""

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
