"""Object store for what is too large to stand in the queue: request bodies and stored answers."""

from runtime.objects.folder import FolderObjects
from runtime.objects.port import (
    CHUNK_BYTES,
    LIFE_SECONDS,
    BadNameError,
    Kind,
    NoObjectError,
    ObjectError,
    Objects,
    ObjectsAwayError,
    ObjectsFullError,
    SharesRoom,
    answer_name,
    body_name,
)

__all__ = [
    "CHUNK_BYTES",
    "LIFE_SECONDS",
    "BadNameError",
    "FolderObjects",
    "Kind",
    "NoObjectError",
    "ObjectError",
    "Objects",
    "ObjectsAwayError",
    "ObjectsFullError",
    "SharesRoom",
    "answer_name",
    "body_name",
]
