"""What `make plan` says of a change: golden Markdown, and each judgement by a table."""

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from infra.plan.facts import EndpointFacts
from infra.plan.recording import Recording
from infra.plan.report.markdown import MARKER, MOST_CHANGES, to_markdown
from infra.plan.report.money import dollars
from infra.plan.report.report import Report, report_of

GOLDEN = Path(__file__).parent.parent / "golden" / "reports"
SHOWN = ("image", "hardware", "replicas", "removed", "added", "secrets", "limits")

pytestmark = pytest.mark.timeout(120)  # the first test of a run waits for the recordings


def report(edited: dict[str, Recording], edit: str) -> Report:
    """Of an edit, against what was before."""
    return report_of(edited["none"], edited[edit], "main")


def with_first(recording: Recording, **changed: Any) -> Recording:
    """The recording with other facts of its first endpoint."""
    first, *others = recording.facts.endpoints
    endpoints = (first.model_copy(update=changed), *others)
    return replace(recording, facts=recording.facts.model_copy(update={"endpoints": endpoints}))


def risks(before: Recording, after: Recording) -> set[tuple[str, str | None]]:
    """Codes of risks that the change brings, with their endpoints."""
    known = {(risk.code, risk.endpoint) for risk in report_of(before, before, "main").risks}
    return {(risk.code, risk.endpoint) for risk in report_of(before, after, "main").risks} - known


@pytest.mark.parametrize("edit", SHOWN)
def test_report_is_its_golden_text(edit: str, edited: dict[str, Recording], update_golden: bool) -> None:
    """Read in review; it says against what it compares."""
    golden = GOLDEN / f"{edit}.md"

    text = to_markdown(report(edited, edit))

    if update_golden:
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(text, encoding="utf-8")
    assert text.startswith(MARKER)
    assert "two commits, not what runs" in text
    assert text == golden.read_text(encoding="utf-8")


def test_no_change_says_so(edited: dict[str, Recording]) -> None:
    """And lists no resource."""
    text = to_markdown(report(edited, "none"))

    assert "Resources: 0 added, 0 changed, 0 removed." in text
    assert "<details>" not in text


def test_first_plan_needs_no_base(edited: dict[str, Recording]) -> None:
    """A stack that is new is shown whole, without its thousand lines."""
    text = to_markdown(report_of(None, edited["none"], None))

    assert "All that the stack consists of." in text
    assert "<details>" not in text


def test_base_without_a_program_is_told(edited: dict[str, Recording]) -> None:
    """So nobody takes the report for a comparison."""
    text = to_markdown(report_of(None, edited["none"], "v0"))

    assert "`v0` has no program for this stack, so everything counts as added." in text


@pytest.mark.parametrize(
    ("edit", "change", "restart"),
    [
        ("none", "unchanged", ""),
        ("image", "changed", "never cold, needs 1 spare A10G GPU"),
        ("hardware", "changed", "never cold, needs 1 spare L4 GPU"),
        ("replicas", "changed", "nothing restarts"),
        ("timeout", "changed", "nothing restarts"),
        ("removed", "removed", "its URL refuses new requests"),
    ],
)
def test_restart_is_what_the_change_does_to_pods(
    edit: str, change: str, restart: str, edited: dict[str, Recording]
) -> None:
    """Of the first endpoint; the others stay as they are."""
    first, *others = report(edited, edit).endpoints

    assert (first.name, first.change) == ("first", change)
    assert restart in first.restart
    assert [each.change for each in others] == ["unchanged", "unchanged"]


@pytest.mark.parametrize(
    ("least", "rollout", "gpus", "told"),
    [
        (0, "in-place", 1, "each cold for up to 300 s"),
        (0, "surge", 0, "needs room for one more replica"),
        (0, "surge", 4, "needs 4 spare A10G GPU"),
    ],
)
def test_roll_out_says_what_it_needs(
    least: int, rollout: str, gpus: int, told: str, edited: dict[str, Recording]
) -> None:
    """A spare GPU, or a cold time."""
    after = with_first(edited["image"], min=least, rollout=rollout, gpus=gpus)

    assert told in report_of(edited["none"], after, "main").endpoints[0].restart


@pytest.mark.parametrize(
    ("least", "told"), [(0, "starts with the first request"), (2, "2 start: up to 300 s")]
)
def test_new_endpoint_starts_with_its_first_request_or_at_once(
    least: int, told: str, edited: dict[str, Recording]
) -> None:
    """As its min says."""
    after = with_first(edited["none"], min=least)

    first = report_of(edited["removed"], after, "main").endpoints[0]

    assert (first.change, first.name) == ("added", "first")
    assert told in first.restart


@pytest.mark.parametrize(
    ("before", "after", "code"),
    [
        ({"max": 4}, {"max": 3}, "max-lowered"),
        ({"access": "private"}, {"access": "public"}, "made-public"),
        ({"ingress": "private"}, {"ingress": "public"}, "made-reachable"),
        ({"secrets": ("a", "b")}, {"secrets": ("b",)}, "secret-removed"),
        ({"url": "https://a"}, {"url": "https://b"}, "url-changed"),
        (
            {"timeout": 300, "start_seconds": 300},
            {"timeout": 299, "start_seconds": 300},
            "timeout-below-start",
        ),
    ],
)
def test_risky_edit_is_named(
    before: dict[str, Any], after: dict[str, Any], code: str, edited: dict[str, Recording]
) -> None:
    """One risk each; the way back is none."""
    old, new = (with_first(edited["none"], min=0, **facts) for facts in (before, after))

    assert risks(old, new) == {(code, "first")}
    assert risks(new, old) == set() or code == "url-changed"


def test_removed_endpoint_is_a_risk(edited: dict[str, Recording]) -> None:
    """Its URL stops answering."""
    assert risks(edited["none"], edited["removed"]) == {("endpoint-removed", "first")}


def test_what_holds_data_is_named_when_it_changes(recorded: dict[str, Recording]) -> None:
    """Whether it is replaced only the engine knows."""
    after = recorded["own-hosts"]
    kept = tuple(each for each in after.resources if each.name != "vault.cache")

    found = report_of(after, replace(after, resources=kept), "main").risks

    (data,) = (risk for risk in found if risk.code == "data")
    assert data.endpoint == "vault"
    assert "vault.cache holds data and is removed" in data.text
    assert "replacement unknown without `pulumi preview`" in data.text


def test_needs_count_instances_and_their_quota(edited: dict[str, Recording]) -> None:
    """GPUs are replicas', vCPUs whole instances'."""
    needs = {each.hardware: each for each in report(edited, "replicas").needs}

    assert (needs["a10g.1"].replicas, needs["a10g.1"].gpus, needs["a10g.1"].vcpu) == (8, 8, 32)
    assert (needs["a10g.1"].quota, needs["a10g.1"].available) == ("G and VT", "unknown")
    assert (needs["cpu"].gpus, needs["cpu"].quota[:8]) == (0, "Standard")


def test_replicas_that_share_an_instance_count_it_once(recorded: dict[str, Recording]) -> None:
    """Nine on instances of eight are two."""
    needs = {each.hardware: each for each in report_of(None, recorded["own-hosts"], None).needs}

    assert (needs["a100.1"].replicas, needs["a100.1"].vcpu, needs["a100.1"].quota) == (9, 192, "P")


def test_costs_before_and_after_are_told(edited: dict[str, Recording]) -> None:
    """In the total too."""
    found = report(edited, "replicas")

    assert (found.endpoints[0].costs_before or found.total).at_max == pytest.approx(2 * 1.006)
    assert found.endpoints[0].costs.at_max == pytest.approx(7 * 1.006)
    assert "$2.01 → $7.04" in to_markdown(found)


def test_plan_of_a_program_restart_names_it(edited: dict[str, Recording]) -> None:
    """A new image of the platform rolls gateways and all."""
    changed = [
        replace(
            each,
            inputs=json.loads(json.dumps(each.inputs).replace("moorage-runtime:", "moorage-runtime:new")),
        )
        for each in edited["none"].resources
    ]

    found = report_of(edited["none"], replace(edited["none"], resources=tuple(changed)), "main")

    assert found.restarts == ("api-deployment", "gateway-deployment", "scaler-deployment")


def test_plan_json_is_the_whole_report(edited: dict[str, Recording]) -> None:
    """Programs read the same as people."""
    text = json.dumps(asdict(report(edited, "image")), sort_keys=True)

    read = json.loads(text)

    assert [each["name"] for each in read["endpoints"]] == ["first", "second", "third"]
    assert {"before": "ghcr.io/acme/first:1", "after": "ghcr.io/acme/first:2", "key": "image"} in (
        read["endpoints"][0]["keys"]
    )


def test_long_reports_are_cut_and_say_so(edited: dict[str, Recording]) -> None:
    """A comment on a pull request has a bound; plan.json has none."""
    one = next(each for each in edited["none"].resources if each.type.endswith(":ConfigMap"))
    many = tuple(replace(one, name=f"{one.name}-{at}") for at in range(MOST_CHANGES + 5))
    after = replace(edited["none"], resources=(*edited["none"].resources, *many))

    text = to_markdown(report_of(edited["none"], after, "main"))

    assert "and 5 more, in plan.json" in text


def test_change_of_a_record_is_told_field_by_field(edited: dict[str, Recording]) -> None:
    """It is JSON in one line, of which the beginning says nothing."""
    text = to_markdown(report(edited, "replicas"))

    assert (
        "`data.record.json.scaling.max`: `2` → `7` (what gateway and scaler are told; nothing restarts)"
        in text
    )


def test_values_cannot_break_the_table(edited: dict[str, Recording]) -> None:
    """A tick, a bar or a new line in a value stays in its cell."""
    after = with_first(edited["none"], image="a`|\nb")

    rows = [
        line
        for line in to_markdown(report_of(edited["none"], after, "main")).splitlines()
        if "| image |" in line
    ]

    assert rows == ["| first | image | `ghcr.io/acme/first:1` | `a'\\| b` |"]


@pytest.mark.parametrize(("amount", "text"), [(None, "—"), (0.0, "$0.00"), (1234.5, "$1,234.50")])
def test_amounts_read_as_money(amount: float | None, text: str) -> None:
    """What is not known is a dash."""
    assert dollars(amount) == text


def test_facts_of_an_older_commit_are_read() -> None:
    """Fields that came later have a default."""
    required = {name for name, info in EndpointFacts.model_fields.items() if info.is_required()}

    assert not {"expected_requests_per_hour", "expected_seconds", "replicas_per_instance"} & required
