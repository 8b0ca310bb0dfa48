"""Manifests of ingresses, secrets and logins."""

import json
from typing import Any

from infra.plan.manifests.parts import Manifest, labels_of, metadata
from infra.plan.values import IngressPlan, RegistryPlan, SecretPlan

VALUE_KEY = "value"
"""Key of a secret's value in its object."""
DOCKER_CONFIG = ".dockerconfigjson"
DOCKER_CONFIG_TYPE = "kubernetes.io/dockerconfigjson"
EXTERNAL_SECRETS = "external-secrets.io/v1"
"""API version of ExternalSecrets."""
PASSWORD_KEY = "password"  # noqa: S105 - a key's name
"""Key of a database's password: in its object, and in the entry that RDS makes."""
REFRESH = "1m"
"""How often External Secrets looks into the store. RDS exchanges a password every seven days, and until the new one
has come no connection is made; more often would cost more than it gains (5 cents for 10,000 looks)."""


def ingress(plan: IngressPlan, namespace: str) -> Manifest:
    """Hosts to the gateway's port."""
    backend = {"service": {"name": "gateway", "port": {"number": plan.port}}}
    paths = [{"backend": backend, "path": "/", "pathType": "Prefix"}]
    tls = (
        {}
        if plan.tls_secret is None
        else {"tls": [{"hosts": list(plan.hosts), "secretName": plan.tls_secret}]}
    )
    annotations = {**plan.annotations, "pulumi.com/skipAwait": "true"}
    return {
        "metadata": metadata(plan.name, namespace, labels_of("gateway", plan.endpoint), annotations),
        "spec": {
            "ingressClassName": plan.class_name,
            "rules": [{"host": host, "http": {"paths": paths}} for host in plan.hosts],
            **tls,
        },
    }


def secret(plan: SecretPlan) -> Manifest:
    """Metadata of a secret's object; the value comes from the stack's configuration."""
    return {
        "metadata": metadata(plan.object_name, plan.namespace, labels_of("secret")),
        "type": "Opaque",
    }


def login(plan: RegistryPlan) -> Manifest:
    """Metadata of a login's object."""
    return {
        "metadata": metadata(plan.object_name, plan.namespace, labels_of("registry")),
        "type": DOCKER_CONFIG_TYPE,
    }


def external_secret(plan: SecretPlan, store: tuple[str, str]) -> Manifest:
    """Has External Secrets bring a value from the store."""
    template = {"type": "Opaque"}
    return _external(plan.object_name, plan.namespace, store, _value(plan.remote), template)


def external_login(plan: RegistryPlan, store: tuple[str, str]) -> Manifest:
    """The same for a login: its template turns the password into what kubelet reads."""
    server, user = _literal(plan.server), _literal(plan.username)
    login = f'(printf "%s:%s" {user} .value | b64enc)'
    entry = f'{{{{ dict "auths" (dict {server} (dict "username" {user} "password" .value "auth" {login})) | toJson }}}}'
    template = {"type": DOCKER_CONFIG_TYPE, "engineVersion": "v2", "data": {DOCKER_CONFIG: entry}}
    return _external(plan.object_name, plan.namespace, store, _value(plan.remote), template)


def external_password(name: str, namespace: str, store: tuple[str, str], entry: Any) -> Manifest:
    """The same for the password of a database: its entry is JSON that the database's service writes.

    Args:
        name: of the Secret.
        namespace: where it is read.
        store: kind and name.
        entry: name in the store, or its ARN, which is known once the database is made.
    """
    data = {"secretKey": PASSWORD_KEY, "remoteRef": {"key": entry, "property": PASSWORD_KEY}}
    return _external(name, namespace, store, data, {"type": "Opaque"})


def _value(remote: str) -> Manifest:
    """A whole entry, under the key of a secret."""
    return {"secretKey": VALUE_KEY, "remoteRef": {"key": remote}}


def _literal(text: str) -> str:
    """Text as a string of Go's templates, whatever it holds."""
    return json.dumps(text)


def _external(
    name: str, namespace: str, store: tuple[str, str], data: Manifest, template: Manifest
) -> Manifest:
    kind, store_name = store
    return {
        "metadata": metadata(name, namespace, labels_of("secret")),
        "spec": {
            "data": [data],
            "refreshInterval": REFRESH,
            "secretStoreRef": {"kind": kind, "name": store_name},
            "target": {"creationPolicy": "Owner", "name": name, "template": template},
        },
    }
