"""The Secrets that the platform makes for itself, for those who deploy without Pulumi.

`python -m infra.platform_secrets --stack NAME --key FILE` prints them as YAML, for `kubectl apply -f -`: users and
addresses of the queue, hashes of the tokens, each worker's own address. Every password is made from the one key in
FILE, so the same key gives the same Secrets: again for a new endpoint, again in another cluster.
"""

import argparse
import hashlib
import hmac
import os
import secrets
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from infra.plan.digests import queue_secret, token_of, tokens_text, worker_access
from infra.plan.manifests import gateway, queue, replicas
from infra.plan.planner import plan_platform
from infra.plan.values import Plan
from infra.project import read_specs, read_stack
from infra.spec.errors import SpecError

KEY_BYTES = 32
LEAST_KEY = 32
"""Characters of a key that somebody else has made."""
QUEUE_USERS = tuple(user for user, _ in queue.USERS)

PasswordOf = Callable[[str], str]


class KeyFileError(Exception):
    """The key's file cannot be used; the message says why."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the Secrets, or the tokens; 1 with what is wrong on stderr."""
    parser = argparse.ArgumentParser(prog="python -m infra.platform_secrets", description=__doc__)
    parser.add_argument("--stack", required=True, help="as in stacks/Pulumi.<stack>.yaml")
    parser.add_argument("--key", type=Path, required=True, help="file of the key; made where it is not there")
    parser.add_argument("--project", type=Path, default=Path(), help="folder of endpoints.yaml (this one)")
    parser.add_argument("--tokens", action="store_true", help="print the tokens, which callers send, instead")
    chosen = parser.parse_args(arguments)
    try:
        specs, settings = read_specs(chosen.project), read_stack(chosen.project, chosen.stack).settings
        plan = plan_platform(specs, settings, chosen.stack)
        password_of = passwords_from(read_key(chosen.key))
    except (SpecError, KeyFileError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    if chosen.tokens:
        sys.stdout.writelines(f"{name}: {token}\n" for name, token in tokens(plan, password_of).items())
    else:
        sys.stdout.write(yaml.safe_dump_all(platform_secrets(plan, password_of), sort_keys=True))
    return 0


def read_key(path: Path) -> str:
    """The key; a new one, readable by its owner alone, where there is no such file.

    Raises:
        KeyFileError: it is too short to be a key, or cannot be read or written.
    """
    try:
        if not path.exists():
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(secrets.token_urlsafe(KEY_BYTES) + "\n")
        key = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as exc:
        raise KeyFileError(f"{path}: it cannot be used as a key: {exc}.") from exc
    if len(key) < LEAST_KEY:
        raise KeyFileError(f"{path}: {len(key)} characters are no key.\n  Remove it, and a new one is made.")
    return key


def passwords_from(key: str) -> PasswordOf:
    """A password for each name: 256 bits that tell nothing of the key or of each other."""
    return lambda name: hmac.new(key.encode(), f"moorage:{name}".encode(), hashlib.sha256).hexdigest()


def tokens(plan: Plan, password_of: PasswordOf) -> dict[str, str]:
    """Every token's value by its name."""
    return {token.name: token_of(password_of(f"token:{token.name}")) for token in plan.tokens}


def platform_secrets(plan: Plan, password_of: PasswordOf) -> Iterator[dict[str, Any]]:
    """The Secrets of queue, tokens and workers, as the API takes them."""
    worker_key = password_of("worker-key")
    users = {user: password_of(f"queue:{user}") for user in QUEUE_USERS}
    yield _secret(queue.secret(plan.queue), queue_secret(users, worker_key, plan.queue.address))
    passwords = [password_of(f"token:{token.name}") for token in plan.tokens]
    yield _secret(gateway.tokens_secret(plan), {"tokens.json": tokens_text(plan.tokens, passwords)})
    for endpoint in plan.endpoints:
        content = worker_access(worker_key, endpoint.name, plan.queue.address)
        yield _secret(replicas.worker_secret(endpoint), content)


def _secret(manifest: Mapping[str, Any], content: Mapping[str, str]) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Secret", **manifest, "stringData": dict(content)}


if __name__ == "__main__":
    sys.exit(main())
