"""Facts of the loader that no golden message shows."""

import time
from collections.abc import Mapping

import pytest

from infra.spec.errors import MOST_FAULTS, Fault, SpecError
from infra.spec.hardware import CATALOGUE
from infra.spec.load import load
from infra.spec.source import parse
from infra.spec.templates import Template
from infra.spec.wording import looks_secret, nearest, path_text, shown

ENDPOINT = """
  - name: e{at}
    image: ghcr.io/acme/embed:1.{at}
    port: 8080
    health: /healthcheck
    hardware: a10g.1
    replicas: {{min: 0, max: 4}}
    timeout: 300
    limits: {{queue_seconds: 600, request_seconds: 900, start_seconds: 300, waiting: 1000, body_mib: 10}}
    access: private
    env: {{MODE: fast}}
    volumes: {{cache: 50Gi}}
    models: [acme-{at}]
"""


def test_a_thousand_endpoints_are_read_in_three_seconds(templates: Mapping[str, Template]) -> None:
    """Measured at 0.6 s on two cores."""
    text = "account: acme\nendpoints:" + "".join(ENDPOINT.format(at=at) for at in range(1000))

    begun = time.perf_counter()
    spec = load(text, "endpoints.yaml", templates)

    assert len(spec.endpoints) == 1000
    assert time.perf_counter() - begun < 3


def test_every_key_has_its_line_and_column() -> None:
    """Also in flow style and within lists."""
    source = parse("a: 1\nb:\n  - c: {d: 2}\n  - e\n", "x.yaml")

    assert source.value == {"a": 1, "b": ({"c": {"d": 2}}, "e")}
    assert {path_text(path): tuple(place) for path, place in source.places.items()} == {
        "": (1, 1),
        "a": (1, 1),
        "b": (2, 1),
        "b[0]": (3, 5),
        "b[0].c": (3, 5),
        "b[0].c.d": (3, 9),
        "b[1]": (4, 5),
    }


def test_one_faulty_field_does_not_hide_a_crossed_pair(templates: Mapping[str, Template]) -> None:
    """Faults of fields and between fields come together, and none is made up."""
    text = (
        "account: acme\nendpoints:\n"
        "  - {name: a, template: ocr, replicas: {min: 9, max: 1}, port: web}\n"
        "  - {name: b, template: ocr, replicas: {min: 9, max: lots}}\n"
    )

    with pytest.raises(SpecError) as caught:
        load(text, "endpoints.yaml", templates)

    assert [(fault.path, fault.code) for fault in caught.value.faults] == [
        ("endpoints[0].replicas.min", "replicas-order"),
        ("endpoints[0].port", "wrong-type"),
        ("endpoints[1].replicas.max", "wrong-type"),
    ]


def test_defaults_are_those_of_one_small_private_endpoint(templates: Mapping[str, Template]) -> None:
    """Zero replicas at rest, a token needed."""
    spec = load("account: a\nendpoints: [{name: e, python: mine}]", "endpoints.yaml", templates)

    endpoint = spec.endpoints[0]

    assert (endpoint.replicas.min, endpoint.replicas.max, endpoint.timeout) == (0, 1, 300)
    assert (endpoint.access, endpoint.ingress, endpoint.hardware) == ("private", "public", "cpu")
    assert (endpoint.security, endpoint.egress, endpoint.rollout) == ("baseline", "internet", "surge")


def test_anchor_is_shared_by_aliases(templates: Mapping[str, Template]) -> None:
    """Anchors are the one way to say a thing once."""
    text = (
        "account: a\nendpoints:\n"
        "  - {name: x, template: ocr, limits: &slow {request_seconds: 3600}}\n"
        "  - {name: y, template: ocr, limits: *slow}\n"
    )

    spec = load(text, "endpoints.yaml", templates)

    assert [endpoint.limits.request_seconds for endpoint in spec.endpoints] == [3600, 3600]


def test_rates_and_sizes_are_numbers_once_read(templates: Mapping[str, Template]) -> None:
    """Nothing past the loader parses text again."""
    text = (
        "account: a\ntokens: {ci: {rate: 7/hour}}\n"
        "endpoints: [{name: x, template: ocr, volumes: {cache: 2Ti}}]\n"
    )

    spec = load(text, "endpoints.yaml", templates)

    rate = spec.tokens["ci"].rate
    assert rate is not None
    assert (rate.count, rate.seconds) == (7, 3600)
    assert spec.endpoints[0].volumes["cache"].size == 2048


def test_spec_is_frozen(templates: Mapping[str, Template]) -> None:
    """Past the loader nobody edits it."""
    spec = load("account: a\nendpoints: []", "endpoints.yaml", templates)

    with pytest.raises(ValueError, match="frozen"):
        spec.account = "b"  # type: ignore[misc]  # the point of the test


def test_faults_are_bounded_sorted_and_each_shown_once() -> None:
    """One fault copied a thousand times does not fill the screen."""
    faults = [Fault("f", line, 1, "p", "w", "m", "tab") for line in (*range(200, 0, -1), 1)]

    found = SpecError(faults).faults

    assert len(found) == MOST_FAULTS + 1
    assert [fault.line for fault in found[:-1]] == list(range(1, MOST_FAULTS + 1))
    assert found[-1].what == "100 more faults from here on are not shown."


@pytest.mark.parametrize(
    "text",
    [
        "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
        "https://bot:hunter2@ghcr.io",
        "sk-proj-abc",
        "AKIAIOSFODNN7EXAMPLE",
        "eyJhbGciOiJIUzI1NiJ9",
        "0123456789abcdef0123456789abcdef",
        "-----BEGIN PRIVATE KEY-----",
    ],
)
def test_what_looks_secret_is_not_quoted(text: str) -> None:
    """Known prefixes, credentials in a URL, long mixed text."""
    assert looks_secret(text)
    assert text not in shown(text)


@pytest.mark.parametrize(
    "text", ["whisper-large-v3", "ghcr.io/acme/embed:1.4", "multilingual-e5-small", "/healthcheck", "pubic"]
)
def test_names_are_quoted(text: str) -> None:
    """An error that hides an honest typo helps nobody."""
    assert shown(text) == f'"{text}"'


@pytest.mark.parametrize(
    ("word", "near"), [("replica", "replicas"), ("Access", "access"), ("colour", None), ("x" * 999, None)]
)
def test_near_miss_is_found(word: str, near: str | None) -> None:
    """The likeliest name, or none."""
    assert nearest(word, ["access", "replicas", "rollout"]) == near


def test_catalogue_rows_are_whole() -> None:
    """GPUs have memory, `cpu` has none, and only a type without a price has no price."""
    assert all(row.vcpu > 0 and row.memory_gib > 0 for row in CATALOGUE.values())
    assert all(
        (row.gpus > 0) == (row.gpu_memory_gib > 0) == bool(row.gpu_model) for row in CATALOGUE.values()
    )
    assert [name for name, row in CATALOGUE.items() if row.gpus == 0] == ["cpu"]
    assert [name for name, row in CATALOGUE.items() if row.dollars_per_hour is None] == ["h200-block.8"]
