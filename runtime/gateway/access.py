"""Who may call what: bearer tokens and what they open."""

from starlette.requests import HTTPConnection

from runtime.gateway.errors import ForbiddenError, UnauthorizedError
from runtime.gateway.registry import Served
from runtime.wire import TokenGrant, Tokens

_SCHEME = "bearer"


def identify(authorization: str, tokens: Tokens) -> TokenGrant:
    """The grant of the token in an Authorization header.

    Raises:
        UnauthorizedError: no bearer token was given, or it is unknown.
    """
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != _SCHEME or not token.strip():
        raise UnauthorizedError("A token is needed. Send the header `Authorization: Bearer <token>`.")
    grant = tokens.find(token.strip())
    if grant is None:
        raise UnauthorizedError("The token is not known. Check that it was copied whole and is still valid.")
    return grant


def may_call(grant: TokenGrant, endpoint: str) -> bool:
    """Whether the grant opens the endpoint; one that names none opens all."""
    return not grant.endpoints or endpoint in grant.endpoints


def admit(served: Served, authorization: str, tokens: Tokens) -> TokenGrant | None:
    """The grant that lets a caller in; None for a public endpoint, which needs none.

    Raises:
        UnauthorizedError: the endpoint is private and the token is missing or unknown.
        ForbiddenError: the token opens other endpoints only.
    """
    if not served.is_private:
        return None
    return _open(authorization, tokens, served.name)


def admit_owner(connection: HTTPConnection, tokens: Tokens, endpoint: str) -> TokenGrant:
    """The grant of a caller who looks after an endpoint: a token is needed even where calls need none.

    Raises:
        UnauthorizedError: the token is missing or unknown.
        ForbiddenError: the token opens other endpoints only.
    """
    return _open(connection.headers.get("authorization", ""), tokens, endpoint)


def _open(authorization: str, tokens: Tokens, endpoint: str) -> TokenGrant:
    grant = identify(authorization, tokens)
    if not may_call(grant, endpoint):
        raise ForbiddenError(f"The token {grant.name!r} does not open the endpoint {endpoint[:80]!r}.")
    return grant
