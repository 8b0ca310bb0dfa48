"""The one door of stack files: text in, a right `Stack` out, or a `SpecError` with every fault at once."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError

from infra.spec.checks_aws import aws_findings
from infra.spec.errors import SpecError
from infra.spec.explain import findings_of, null_findings
from infra.spec.hardware import CATALOGUE
from infra.spec.source import Finding, parse
from infra.spec.stack import Stack
from infra.spec.wording import Path, listed, nearest, shown, suggestion

PROJECT = "moorage"
PREFIX = f"{PROJECT}:"
SECRETS = "secrets."
"""Begins the keys whose values are encrypted; the rest is the secret's name."""
PULUMI_KEYS = frozenset({"config", "encryptedkey", "encryptionsalt", "environment", "secretsprovider"})
"""What Pulumi itself writes at the top of a stack file. Source: pulumi 3.272, sdk/go/common/workspace."""

BEGIN = f"`config:` with `{PREFIX}backend: kubernetes`"
_LEAST: Mapping[str, Any] = MappingProxyType({"backend": "kubernetes", "domain": "example.com"})
_TOGETHER = (frozenset({"secrets", "secret_store"}), frozenset({"aws", "backend", "context"}))
"""Settings that are only right or wrong with each other."""


@dataclass(frozen=True, slots=True)
class StackFile:
    """One stack's settings, and the names of the secrets whose values it holds."""

    settings: Stack
    secrets: frozenset[str]


def load_stack(text: str, filename: str) -> StackFile:
    """Read a stack file.

    Raises:
        SpecError: all faults of the file.
    """
    source = parse(text, filename, BEGIN)
    value = source.value if isinstance(source.value, dict) else {}
    config = value.get("config")
    findings = [*source.findings, *_unknown_keys(value)]
    if not isinstance(config, dict):
        nothing = Finding((), "this is no stack file.", f"Write {BEGIN} and more.", "wrong-type")
        raise SpecError(source.fault(finding) for finding in findings or [nothing])
    secrets, secret_findings = _secrets_of(config)
    own = {key.removeprefix(PREFIX): item for key, item in config.items() if _is_setting(key)}
    settings, wrong = check_settings(own)
    taken = {finding.path for finding in findings}  # one cause, one fault
    findings += [*secret_findings, *(found for found in map(_placed, wrong) if found.path not in taken)]
    if findings or settings is None:
        raise SpecError(source.fault(finding) for finding in findings)
    return StackFile(settings, secrets)


def check_settings(own: Mapping[str, Any]) -> tuple[Stack | None, list[Finding]]:
    """The settings of keys without their prefix, or what is wrong with them."""
    findings = list(null_findings(dict(own), Stack))
    try:
        settings = Stack.model_validate(dict(own))
    except ValidationError as exc:
        known = {finding.path for finding in findings}
        findings += [found for found in findings_of(exc, Stack) if found.path not in known]
        return None, [*findings, *_cross_findings(_readable(own, findings))]
    return settings, [*findings, *_cross_findings(settings)]


def _readable(own: Mapping[str, Any], findings: Iterable[Finding]) -> Stack:
    """The faultless settings, so that they are held against each other all the same."""
    faulty = {str(finding.path[0]) for finding in findings}
    faulty |= {key for group in _TOGETHER if faulty & group for key in group}
    return Stack.model_validate({**_LEAST} | {key: item for key, item in own.items() if key not in faulty})


def _is_setting(key: str) -> bool:
    return key.startswith(PREFIX) and not key.removeprefix(PREFIX).startswith(SECRETS)


def _placed(finding: Finding) -> Finding:
    """The finding at its place in the file: settings stand under `config` behind their prefix."""
    key, *rest = finding.path
    mend = finding.mend
    if finding.code == "missing-key" and not rest:
        mend = mend.replace(f"`{key}", f"`{PREFIX}{key}")
    return finding._replace(path=("config", f"{PREFIX}{key}", *rest), mend=mend)


def _unknown_keys(value: Mapping[str, Any]) -> Iterator[Finding]:
    for key in value:
        if key not in PULUMI_KEYS:
            what = f"{shown(key)} is not a key of a stack file."
            yield Finding((key,), what, suggestion(key, PULUMI_KEYS, "Remove it."), "unknown-key")
    config = value.get("config")
    for key in config if isinstance(config, dict) else ():
        if ":" not in key:
            near = nearest(key, Stack.model_fields)
            mend = f"Did you mean {shown(PREFIX + near)}?" if near else f"Write it as {PREFIX}<key>."
            yield Finding(("config", key), f"{shown(key)} names no project.", mend, "unknown-key")


def _secrets_of(config: Mapping[str, Any]) -> tuple[frozenset[str], list[Finding]]:
    """Names of the secrets that have an encrypted value, and those that stand in clear."""
    names, findings = set(), []
    for key, value in config.items():
        name = key.removeprefix(PREFIX + SECRETS)
        if name == key:
            continue
        names.add(name)
        at: Path = ("config", key)
        run = f"Run `pulumi config set --secret {SECRETS}{name}`"
        if value is None:
            findings.append(Finding(at, "the value is missing.", f"{run}.", "empty-value"))
        elif not isinstance(value, dict) or set(value) != {"secure"}:
            mend = f"{run}, and change the value: it was shown."
            findings.append(Finding(at, "this value stands in clear.", mend, "secret-clear"))
    return frozenset(names), findings


def _cross_findings(settings: Stack) -> Iterator[Finding]:
    """Settings against each other."""
    gateway, tls = settings.gateway, settings.ingress.tls
    if gateway.min > gateway.max:
        what, mend = f"{gateway.min} is above max ({gateway.max}).", f"Lower it to {gateway.max}."
        yield Finding(("gateway", "min"), what, mend, "stack-order")
    if settings.secrets == "external" and settings.secret_store is None:
        mend = "Add for example `moorage:secret_store: {name: vault}`."
        yield Finding(("secrets",), "external needs a store.", mend, "stack-key")
    if settings.secrets != "external" and settings.secret_store is not None:
        mend = "Write `moorage:secrets: external`, or remove the store."
        yield Finding(("secret_store",), "no secret is read from it.", mend, "stack-key")
    if tls is not None and (tls.secret is None) == (tls.issuer is None):
        what, mend = "it needs one of secret and issuer.", "Write for example {issuer: letsencrypt}."
        yield Finding(("ingress", "tls"), what, mend, "stack-key")
    for name in settings.nodes:
        if name not in CATALOGUE:
            what = f"{shown(name)} is not in the hardware catalogue."
            mend = suggestion(name, CATALOGUE, f"Known: {listed(CATALOGUE)}.")
            yield Finding(("nodes", name), what, mend, "unknown-hardware")
    yield from aws_findings(settings)
