"""Names that Kubernetes takes: up to 63 characters, shortened with a stable hash."""

import hashlib

LONGEST = 63
"""Characters of a label's value and of a host's part. Source: RFC 1123, RFC 1035."""
_DIGITS = 8


def short(name: str) -> str:
    """The name, or where it is too long its beginning and a hash of the whole."""
    if len(name) <= LONGEST:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:_DIGITS]
    return f"{name[: LONGEST - _DIGITS - 1].rstrip('-.')}-{digest}"


def record_name(endpoint: str) -> str:
    """The ConfigMap that holds an endpoint's record."""
    return short(f"endpoint-{endpoint}")
