"""Who a worker is to the queue: a Valkey user of its endpoint's own, with a password that both sides can work out."""

import base64
import hashlib
import hmac

WORKER_USER_PREFIX = "worker-"


def worker_user(endpoint: str) -> str:
    """Name of the Valkey user that all workers of an endpoint share."""
    return WORKER_USER_PREFIX + endpoint


def worker_password(key: str, endpoint: str) -> str:
    """That user's password: made from the master key, so that it is stored nowhere.

    43 URL-safe characters. It opens one endpoint's keys and does not give the master key away.
    """
    digest = hmac.digest(key.encode(), f"worker:{endpoint}".encode(), hashlib.sha256)
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
