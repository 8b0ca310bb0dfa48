"""Texts that are made from secret values: what pods are given, and hashes that betray nothing."""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence

from infra.plan.manifests.queue import USERS, users_text
from infra.plan.values import TokenPlan
from runtime.wire.queue_users import worker_password, worker_user
from runtime.wire.records import TokenGrant
from runtime.wire.tokens import TOKEN_PREFIX, TokenEntry, Tokens, hash_token

PASSWORD_CHARACTERS = 43
"""Of letters and digits: 256 random bits."""
_DIGITS = 16
OWN_QUEUE, MANAGED_QUEUE = "valkey", "valkeys+cluster"
"""Scheme of the queue's address: a server of the stack's own, and a cluster that asks for TLS."""


def queue_secret(
    passwords: Mapping[str, str], worker_key: str, address: str, scheme: str = OWN_QUEUE
) -> dict[str, str]:
    """Content of the queue's Secret: users, an address for each program, the key of the workers' passwords.

    Args:
        passwords: of the platform's own users.
        worker_key: what workers' passwords are made from.
        address: host and port.
        scheme: a server of the stack's own reads its users from here; a managed one has them already.
    """
    urls = {f"{user}-url": f"{scheme}://{user}:{passwords[user]}@{address}" for user, _ in USERS}
    hashes = {user: hashlib.sha256(passwords[user].encode()).hexdigest() for user, _ in USERS}
    users = {"users.acl": users_text(hashes)} if scheme == OWN_QUEUE else {}
    return {**urls, **users, "worker-key": worker_key}


def worker_access(worker_key: str, endpoint: str, address: str, scheme: str = OWN_QUEUE) -> dict[str, str]:
    """Content of the Secret with which an endpoint's workers reach the queue, and only their own keys in it."""
    password = worker_password(worker_key, endpoint)
    return {"queue-url": f"{scheme}://{worker_user(endpoint)}:{password}@{address}"}


def token_of(password: str) -> str:
    """A generated password as a token."""
    return TOKEN_PREFIX + password


def tokens_text(plans: Sequence[TokenPlan], passwords: Sequence[str]) -> str:
    """What gateways know of tokens: grants and hashes."""
    entries = tuple(
        TokenEntry(grant=TokenGrant.model_validate_json(plan.grant), sha256=hash_token(token_of(password)))
        for plan, password in zip(plans, passwords, strict=True)
    )
    return Tokens(entries=entries).model_dump_json()


def docker_config(server: str, username: str, password: str) -> str:
    """A login as kubelet reads it."""
    login = base64.b64encode(f"{username}:{password}".encode()).decode()
    entry = {"auth": login, "password": password, "username": username}
    return json.dumps({"auths": {server: entry}}, sort_keys=True)


def secrets_hash(key: str, values: Sequence[str]) -> str:
    """Changes with the values; keyed, so that nobody can try passwords against it."""
    text = json.dumps(list(values))
    return hmac.new(key.encode(), text.encode(), hashlib.sha256).hexdigest()[:_DIGITS]
