"""What the plan makes of right files: golden records, and the laws they follow."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.plan.records import plan_records, python_folders, revision_of
from infra.plan.values import Records
from infra.spec.load import load
from infra.spec.model import Endpoint
from infra.spec.templates import Template
from runtime.wire.records import CommandSource, EndpointRecord, ImageSource, PythonSource, Rate

GOLDEN = Path(__file__).parent.parent / "golden"
CASES = sorted(path.parent for path in GOLDEN.glob("*/endpoints.yaml"))

HEAD = """
account: acme
secrets: {pw: {}, other: {}}
registries:
  ghcr: {server: ghcr.io, username: bot, password: {secret: pw}}
endpoints:
"""


def planned(text: str, templates: Mapping[str, Template], content: str = "0" * 64) -> Records:
    """Records of a file whose folders all have the same content."""
    spec = load(text, "endpoints.yaml", templates)
    return plan_records(spec, templates, dict.fromkeys(python_folders(spec), content))


def only(lines: str, templates: Mapping[str, Template], content: str = "0" * 64) -> EndpointRecord:
    """The record of the one endpoint whose keys are given."""
    body = "".join(f"    {line}\n" for line in lines.splitlines())
    return planned(f"{HEAD}  - name: embed\n{body}", templates, content).endpoints[0]


def as_text(records: Records) -> str:
    """Records as the golden files hold them."""
    parts = {
        "account": records.account.model_dump(mode="json"),
        "endpoints": [record.model_dump(mode="json") for record in records.endpoints],
        "templates": [record.model_dump(mode="json") for record in records.templates],
    }
    return json.dumps(parts, indent=2) + "\n"


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.name)
def test_right_file_gives_its_golden_plan(
    case: Path, templates: Mapping[str, Template], update_golden: bool
) -> None:
    """Same file in, same plan out, byte for byte; endpoints are sorted by name."""
    text = (case / "endpoints.yaml").read_text(encoding="utf-8")

    records = planned(text, templates)

    if update_golden:
        (case / "plan.json").write_text(as_text(records), encoding="utf-8")
    names = [record.name for record in records.endpoints]
    assert names == sorted(names)
    assert as_text(records) == (case / "plan.json").read_text(encoding="utf-8")


def test_clone_takes_what_it_does_not_say_from_its_template(templates: Mapping[str, Template]) -> None:
    """Mappings are merged key by key; own keys win."""
    record = only("template: speech\nreplicas: {min: 1}\nenv: {MODE: best}", templates)

    assert record.source == ImageSource(image="ghcr.io/acme/speech:2")
    assert (record.scaling.min, record.scaling.max) == (1, 2)
    assert record.env == {"MODE": "best", "SIZE": "small"}
    assert record.template == "speech"


def test_template_without_an_image_runs_its_own_folder(templates: Mapping[str, Template]) -> None:
    """A folder with service.py is enough."""
    assert only("template: ocr", templates).source == PythonSource(folder="templates/ocr")


def test_quickstart_keeps_one_replica_warm(templates: Mapping[str, Template]) -> None:
    """The template says min 0; a quickstart raises it."""
    record = only("template: ocr\nquickstart: {rate: 30/min}", templates)

    assert record.scaling.min == 1
    assert record.quickstart == Rate(count=30, seconds=60)


def test_local_command_comes_before_the_image(templates: Mapping[str, Template]) -> None:
    """It needs no container engine."""
    command = "python serve.py --port {port}"

    record = only(f'image: ghcr.io/acme/embed:1\nlocal: {{command: "{command}"}}', templates)

    assert record.source == CommandSource(command=command)


@pytest.mark.parametrize(
    "lines",
    [
        "image: ghcr.io/acme/embed:2",
        "image: ghcr.io/acme/embed:1\nenv: {A: b}",
        "image: ghcr.io/acme/embed:1\nsecrets: {A: pw}",
        "image: ghcr.io/acme/embed:1\nport: 9000",
        "image: ghcr.io/acme/embed:1\nhealth: /ready",
        "image: ghcr.io/acme/embed:1\nhardware: l4.1",
        "image: ghcr.io/acme/embed:1\nregistry: ghcr",
        "image: ghcr.io/acme/embed:1\nvolumes: {cache: 5Gi}",
        "image: ghcr.io/acme/embed:1\nsecurity: restricted",
        "image: ghcr.io/acme/embed:1\negress: none",
        'image: ghcr.io/acme/embed:1\nlocal: {command: "x {port}"}',
    ],
)
def test_what_a_replica_is_made_from_changes_the_revision(
    lines: str, templates: Mapping[str, Template]
) -> None:
    """Each of these needs new replicas."""
    plain = only("image: ghcr.io/acme/embed:1", templates)

    assert only(lines, templates).revision != plain.revision


@pytest.mark.parametrize(
    "line",
    [
        "replicas: {min: 1, max: 9}",
        "timeout: 5",
        "limits: {waiting: 1}",
        "access: public",
        "ingress: private",
        "models: [m]",
        "rollout: in-place",
    ],
)
def test_what_settles_without_a_restart_keeps_the_revision(
    line: str, templates: Mapping[str, Template]
) -> None:
    """None of these restarts a model."""
    plain = only("image: ghcr.io/acme/embed:1", templates)

    assert only(f"image: ghcr.io/acme/embed:1\n{line}", templates).revision == plain.revision


def test_another_content_of_the_folder_is_another_revision(templates: Mapping[str, Template]) -> None:
    """An edit of service.py reaches the replicas."""
    before = only("python: mine", templates, content="a")
    after = only("python: mine", templates, content="b")

    assert before.revision != after.revision


@given(order=st.permutations(["A", "B", "C", "D"]))
def test_order_of_keys_does_not_change_the_revision(order: list[str]) -> None:
    """Sorting a file restarts nothing."""
    endpoint = Endpoint(name="e", image="a/b:1", env=dict.fromkeys(order, "x"))
    straight = Endpoint(name="e", image="a/b:1", env=dict.fromkeys(sorted(order), "x"))

    assert revision_of(endpoint, {}, {}) == revision_of(straight, {}, {})
