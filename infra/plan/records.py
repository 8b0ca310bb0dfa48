"""The records that gateway, worker and scaler read: from a spec to what each endpoint is told."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from infra.plan.values import Records
from infra.spec.forms import Rate as SpecRate
from infra.spec.model import Endpoint, Registry, Spec, Token
from infra.spec.templates import Template
from runtime.wire.records import (
    AccountRecord,
    CommandSource,
    EndpointRecord,
    ImageSource,
    Limits,
    PythonSource,
    Rate,
    RegistryLogin,
    Scaling,
    SecretEntry,
    Source,
    TemplateRecord,
    TokenGrant,
)

REVISION_DIGITS = 16
"""Hex digits of a revision: 64 bits, enough to tell the few revisions of one endpoint apart."""
SETTLED_WITHOUT_RESTART = frozenset(
    {
        "name",
        "template",
        "replicas",
        "timeout",
        "limits",
        "access",
        "ingress",
        "models",
        "quickstart",
        "rollout",
        "expected",
    }
)
"""Keys of an endpoint that a running replica is not made from."""


def plan_records(spec: Spec, templates: Mapping[str, Template], contents: Mapping[str, str]) -> Records:
    """The records of one machine.

    Args:
        spec: a loaded endpoints.yaml.
        templates: every template there is, by name; all get a record, cloned or not.
        contents: hash of the content of each `python:` folder that the spec names.
    """
    return Records(
        account=account_record(spec),
        endpoints=tuple(
            endpoint_record(
                endpoint,
                _source(endpoint, spec.registries),
                revision_of(endpoint, spec.registries, contents),
            )
            for endpoint in sorted(spec.endpoints, key=lambda endpoint: endpoint.name)
        ),
        templates=tuple(_template(templates[name]) for name in sorted(templates)),
    )


def python_folders(spec: Spec) -> tuple[str, ...]:
    """Every folder whose content a replica is made from, sorted."""
    return tuple(sorted({endpoint.python for endpoint in spec.endpoints if endpoint.python is not None}))


def revision_of(endpoint: Endpoint, registries: Mapping[str, Registry], contents: Mapping[str, str]) -> str:
    """A hash of all that a running replica was made from; a secret counts by its name."""
    fields = endpoint.model_dump(mode="json", exclude=set(SETTLED_WITHOUT_RESTART))
    made_from: dict[str, Any] = {
        **fields,
        "registry": registries[endpoint.registry].model_dump(mode="json") if endpoint.registry else None,
        "content": contents[endpoint.python] if endpoint.python is not None else None,
    }
    text = json.dumps(made_from, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:REVISION_DIGITS]


def endpoint_record(endpoint: Endpoint, source: Source, revision: str) -> EndpointRecord:
    """What gateway, worker and scaler are told of an endpoint that runs from `source`."""
    replicas = endpoint.replicas
    return EndpointRecord(
        name=endpoint.name,
        source=source,
        port=endpoint.port,
        health=endpoint.health,
        hardware=endpoint.hardware,
        scaling=Scaling(min=replicas.min, max=replicas.max, timeout=endpoint.timeout),
        limits=Limits.model_validate(endpoint.limits.model_dump()),
        access=endpoint.access,
        ingress=endpoint.ingress,
        env=dict(sorted(endpoint.env.items())),
        secrets=dict(sorted(endpoint.secrets.items())),
        models=endpoint.models,
        template=endpoint.template,
        quickstart=_rate(endpoint.quickstart.rate) if endpoint.quickstart else None,
        revision=revision,
    )


def _source(endpoint: Endpoint, registries: Mapping[str, Registry]) -> Source:
    """What one machine runs: a command needs no container engine, so it comes before the image.

    Raises:
        ValueError: the spec did not come from `load`.
    """
    if endpoint.local is not None:
        return CommandSource(command=endpoint.local.command)
    if endpoint.python is not None:
        return PythonSource(folder=endpoint.python)
    if endpoint.image is None:
        raise ValueError(f"endpoint {endpoint.name} has nothing to run")
    login = _login(registries[endpoint.registry]) if endpoint.registry else None
    return ImageSource(image=endpoint.image, registry=login)


def _login(registry: Registry) -> RegistryLogin:
    return RegistryLogin(
        server=registry.server, username=registry.username, password_secret=registry.password.secret
    )


def account_record(spec: Spec) -> AccountRecord:
    """What all endpoints of a file share."""
    return AccountRecord(
        account=spec.account,
        tokens=tuple(_grant(name, spec.tokens[name]) for name in sorted(spec.tokens)),
        secrets=tuple(
            SecretEntry(name=name, aws_secret=spec.secrets[name].aws_secret) for name in sorted(spec.secrets)
        ),
    )


def _grant(name: str, token: Token) -> TokenGrant:
    return TokenGrant(
        name=name,
        endpoints=token.endpoints or (),
        rate=_rate(token.rate) if token.rate else None,
        priority=token.priority,
    )


def _rate(rate: SpecRate) -> Rate:
    return Rate(count=rate.count, seconds=rate.seconds)


def _template(template: Template) -> TemplateRecord:
    card = template.card
    return TemplateRecord(
        name=template.name,
        title=card.title,
        description=card.description,
        route=card.route,
        output=card.output,
        license_name=card.license.name,
        license_source=card.license.source,
        input_schema=card.input,
        examples=tuple({"title": example.title, "body": example.body} for example in card.examples),
        folder=template.folder,
    )
