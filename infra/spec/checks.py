"""Fields against each other: names that must exist, choices that exclude one another, bounds that cross.

Each check is a small function that yields what it finds; `cross_findings` runs them all.
"""

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType

from infra.spec.draft import Draft, Placed
from infra.spec.forms import image_host
from infra.spec.hardware import CATALOGUE
from infra.spec.source import Finding
from infra.spec.templates import Template
from infra.spec.wording import shown, suggestion

LONGEST_LABEL = 63
"""Characters of one part of a host name. Source: RFC 1035."""
PLATFORM_MOUNTS: Mapping[str, str] = MappingProxyType(
    {"/dev/shm": "shared memory", "/tmp": "scratch space"}  # noqa: S108 - the containers' own
)
"""Where every replica has something already."""
DOCKER_HUB = frozenset({"docker.io", "index.docker.io", "registry-1.docker.io"})

Templates = Mapping[str, Template]
Check = Callable[[Placed, Draft, Templates], Iterator[Finding]]


def cross_findings(draft: Draft, templates: Templates) -> Iterator[Finding]:
    """Every fault of fields against each other."""
    for placed in draft.endpoints:
        for check in EACH_ENDPOINT:
            yield from check(placed, draft, templates)
    yield from _duplicate_names(draft)
    yield from _duplicate_models(draft)
    yield from _token_endpoints(draft)
    yield from _registry_passwords(draft)


def _replicas_order(placed: Placed, _draft: Draft, _templates: Templates) -> Iterator[Finding]:
    least, most = placed.endpoint.replicas.min, placed.endpoint.replicas.max
    if least > most:
        what, mend = f"{least} is above max ({most}).", f"Lower it to {most} or raise max to {least}."
        yield Finding(placed.path("replicas", "min"), what, mend, "replicas-order")


def _source(placed: Placed, _draft: Draft, _templates: Templates) -> Iterator[Finding]:
    said = [key for key in ("template", "image", "python") if key in placed.own]
    if len(said) > 1:
        what = f"{' and '.join(said)} both say what to run."
        mend = "Keep one of them."
        yield Finding(placed.path(said[-1]), what, mend, "source-twice")
    if placed.endpoint.python and placed.endpoint.local and len(said) == 1:
        what, mend = "python and local both say how to run it here.", "Keep one of the two."
        yield Finding(placed.path("local"), what, mend, "source-twice")
    if not said and "local" not in placed.own:
        mend = "Add one of template, image or python, or local for this machine only."
        yield Finding(placed.path(), "nothing says what to run.", mend, "source-missing")


def _known_template(placed: Placed, _draft: Draft, templates: Templates) -> Iterator[Finding]:
    name = placed.endpoint.template
    if name is not None and name not in templates:
        what = f"there is no template {shown(name)}."
        mend = suggestion(name, templates, "Add its folder to templates/.")
        yield Finding(placed.path("template"), what, mend, "unknown-template")


def _known_hardware(placed: Placed, _draft: Draft, _templates: Templates) -> Iterator[Finding]:
    name = placed.endpoint.hardware
    if name not in CATALOGUE:
        what = f"{shown(name)} is not in the hardware catalogue."
        yield Finding(placed.path("hardware"), what, suggestion(name, CATALOGUE, ""), "unknown-hardware")


def _registry(placed: Placed, draft: Draft, _templates: Templates) -> Iterator[Finding]:
    name, image = placed.endpoint.registry, placed.endpoint.image
    if name is None:
        return
    at = placed.path("registry")
    if name not in draft.registry_names:
        what = f"there is no registry {shown(name)} in this file."
        yield Finding(
            at, what, suggestion(name, draft.registry_names, "Add it to registries:."), "unknown-registry"
        )
    elif image is None and "image" not in placed.faulty:
        yield Finding(at, "no image is pulled here.", "Remove it, or write an image.", "registry-unused")
    elif image and name in draft.registries and not _serves(draft.registries[name].server, image):
        server = draft.registries[name].server
        what = f"{shown(name)} logs in to {server}, but the image is from {image_host(image)}."
        yield Finding(at, what, "Name the registry of the image's host, or remove it.", "registry-host")


def _serves(server: str, image: str) -> bool:
    host = image_host(image)
    return server == host or {server, host} <= DOCKER_HUB


def _known_secrets(placed: Placed, draft: Draft, _templates: Templates) -> Iterator[Finding]:
    for variable, name in placed.endpoint.secrets.items():
        if name not in draft.secret_names:
            what = f"there is no secret {shown(name)} in this file."
            mend = suggestion(name, draft.secret_names, f"Add `{name}: {{}}` to secrets:.")
            yield Finding(placed.path("secrets", variable), what, mend, "unknown-secret")
        if variable in placed.endpoint.env:
            what = "env sets the same variable."
            yield Finding(placed.path("secrets", variable), what, "Keep one of the two.", "env-twice")


def _quickstart(placed: Placed, _draft: Draft, _templates: Templates) -> Iterator[Finding]:
    if placed.endpoint.quickstart is None:
        return
    if "template" not in placed.own:
        what, mend = "only a template has a quickstart.", "Remove it, or clone a template."
        yield Finding(placed.path("quickstart"), what, mend, "quickstart-template")
    if placed.endpoint.replicas.min == 0 and "replicas" not in placed.faulty:
        what, mend = "a quickstart is always warm.", "Raise min to 1, or remove it."
        yield Finding(placed.path("replicas", "min"), what, mend, "quickstart-min")


def _volumes(placed: Placed, _draft: Draft, _templates: Templates) -> Iterator[Finding]:
    endpoint = placed.endpoint
    taken = dict(PLATFORM_MOUNTS)
    for name, volume in endpoint.volumes.items():
        mount = volume.path or f"/octoai/{name}"
        if mount in taken:
            what = f"{mount} is where {shown(taken[mount])} is mounted."
            yield Finding(placed.path("volumes", name), what, "Give it another path.", "duplicate-mount")
        taken.setdefault(mount, name)
    if endpoint.volumes and endpoint.replicas.max == 1 and placed.own.get("rollout") == "surge":
        what = "the old and the new replica cannot hold the volume at once."
        mend = "Write rollout: in-place, or remove the line."
        yield Finding(placed.path("rollout"), what, mend, "volume-rollout")


def _host_length(placed: Placed, draft: Draft, _templates: Templates) -> Iterator[Finding]:
    if placed.name is None or draft.account is None:
        return
    host = f"{placed.name}-{draft.account}"
    if len(host) > LONGEST_LABEL:
        what = f"{shown(host)} has {len(host)} characters; a host name's part has up to {LONGEST_LABEL}."
        mend = f"Shorten the name or the account by {len(host) - LONGEST_LABEL}."
        yield Finding(placed.path("name"), what, mend, "host-length")


EACH_ENDPOINT: tuple[Check, ...] = (
    _replicas_order,
    _source,
    _known_template,
    _known_hardware,
    _registry,
    _known_secrets,
    _quickstart,
    _volumes,
    _host_length,
)


def _duplicate_names(draft: Draft) -> Iterator[Finding]:
    first: dict[str, int] = {}
    for placed in draft.endpoints:
        if placed.name is None:
            continue
        if placed.name in first:
            what = f"{shown(placed.name)} is also the name of endpoints[{first[placed.name]}]."
            yield Finding(placed.path("name"), what, "Rename one of the two.", "duplicate-endpoint")
        first.setdefault(placed.name, placed.at)


def _duplicate_models(draft: Draft) -> Iterator[Finding]:
    first: dict[str, int] = {}
    for placed in draft.endpoints:
        for at, model in enumerate(placed.endpoint.models):
            if model in first:
                what = f"endpoints[{first[model]}] has the model {shown(model)} already."
                yield Finding(placed.path("models", at), what, "Keep one of the two.", "duplicate-model")
            first.setdefault(model, placed.at)


def _token_endpoints(draft: Draft) -> Iterator[Finding]:
    for name, token in draft.tokens.items():
        if token.endpoints == ():
            what, mend = "this token opens nothing.", "Name an endpoint, or remove the key to open all."
            yield Finding(("tokens", name, "endpoints"), what, mend, "token-opens-nothing")
        for at, endpoint in enumerate(token.endpoints or ()):
            if endpoint not in draft.endpoint_names:
                what = f"there is no endpoint {shown(endpoint)} in this file."
                mend = suggestion(endpoint, draft.endpoint_names, "Add it to endpoints:.")
                yield Finding(("tokens", name, "endpoints", at), what, mend, "unknown-endpoint")


def _registry_passwords(draft: Draft) -> Iterator[Finding]:
    for name, registry in draft.registries.items():
        secret = registry.password.secret
        if secret not in draft.secret_names:
            what = f"there is no secret {shown(secret)} in this file."
            mend = suggestion(secret, draft.secret_names, f"Add `{secret}: {{}}` to secrets:.")
            yield Finding(("registries", name, "password", "secret"), what, mend, "unknown-secret")
