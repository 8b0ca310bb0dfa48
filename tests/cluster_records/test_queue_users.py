"""The workers' passwords, worked out on both sides."""

import re

from runtime.wire.queue_users import worker_password, worker_user


def test_user_carries_the_endpoint() -> None:
    """One user an endpoint."""
    assert worker_user("embed") == "worker-embed"


def test_password_is_a_fixed_function_of_key_and_endpoint() -> None:
    """A golden value: plan and scaler must never differ. HMAC-SHA256 of `worker:embed`."""
    assert worker_password("master", "embed") == "OdkZyMRFdLk_iiHLtDC-wWkPfYLb2cT7U1NOwzyFbpY"


def test_password_is_url_safe_and_long() -> None:
    """It stands in a URL without quoting; 256 bits."""
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", worker_password("master", "embed"))


def test_passwords_differ_by_endpoint_and_key() -> None:
    """No two open the same."""
    made = {worker_password(key, name) for key in ("k1", "k2") for name in ("a", "b")}

    assert len(made) == 4
