"""`X-Priority`: who goes first of those that wait, within what a token may ask for."""

from runtime.gateway.errors import ForbiddenError, MalformedRequestError
from runtime.wire import TokenGrant

NORMAL = "normal"
_RANKS = {"high": 0, NORMAL: 1, "low": 2}


def read_priority(value: str, grant: TokenGrant | None) -> int:
    """The priority asked for, 0 (first) to 2; normal where the header is absent.

    Raises:
        MalformedRequestError: there is no such priority.
        ForbiddenError: the token has no right to it; without a token nobody has one to `high`.
    """
    name = value or NORMAL
    if name not in _RANKS:
        raise MalformedRequestError("X-Priority must be high, normal or low.")
    if name == "high" and (grant is None or grant.priority != "high"):
        raise ForbiddenError(
            "X-Priority: high needs a token with that right (`priority: high` of the token in endpoints.yaml)."
        )
    return _RANKS[name]
