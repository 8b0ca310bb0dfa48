"""The words every process shares: records, request heads, states, headers and key names.

A leaf: it imports nothing else of the project. Infrastructure writes the records, gateway, worker and
scaler read them; a reader ignores keys it does not know, so that an older process outlives a newer plan.
"""

from runtime.wire.records import (
    AccountRecord,
    CommandSource,
    EndpointRecord,
    ImageSource,
    Limits,
    PythonSource,
    Rate,
    Record,
    RegistryLogin,
    Scaling,
    SecretEntry,
    TemplateRecord,
    TokenGrant,
)
from runtime.wire.requests import (
    AnswerHead,
    Headers,
    RequestHead,
    RequestState,
    endpoint_of,
    is_request_id,
    new_request_id,
)
from runtime.wire.tokens import TOKEN_PREFIX, TokenEntry, Tokens, hash_token, new_token

__all__ = [
    "TOKEN_PREFIX",
    "AccountRecord",
    "AnswerHead",
    "CommandSource",
    "EndpointRecord",
    "Headers",
    "ImageSource",
    "Limits",
    "PythonSource",
    "Rate",
    "Record",
    "RegistryLogin",
    "RequestHead",
    "RequestState",
    "Scaling",
    "SecretEntry",
    "TemplateRecord",
    "TokenEntry",
    "TokenGrant",
    "Tokens",
    "endpoint_of",
    "hash_token",
    "is_request_id",
    "new_request_id",
    "new_token",
]
