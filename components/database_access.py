"""How the platform API gets into a managed database."""

from collections.abc import Sequence
from dataclasses import dataclass

from pulumi import Output, Resource


@dataclass(frozen=True, slots=True)
class DatabaseAccess:
    """What a database gives to the one who uses it."""

    endpoint: Output[str]
    """Host and port."""
    secret_arn: Output[str]
    """Of the entry of Secrets Manager with the password."""
    made: Sequence[Resource]
    """What must be there before a pod comes in: the database itself, and what brings its password."""
