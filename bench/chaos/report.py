"""The table of a run, its machine-readable lines, and the same as JSON values."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, is_dataclass
from typing import Any

from bench.chaos.ledger import Blow, Entry, Fate, Recovery, Verdict
from bench.chaos.orders import Kind
from bench.chaos.schedule import Struck

SLACK_SECONDS = 1.0
"""A killed worker's request runs again within a lease and this."""
MOST_SHOWN = 20
"""Entries of each fault that are printed."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One run."""

    seed: str
    verdict: Verdict
    silences: Sequence[str]
    """Calls that nobody answered nor broke off."""
    strikes: Sequence[Blow]
    """All that hit, in order; moments are of the same clock as the entries'."""
    seconds: float
    missed: int
    """Strikes that found nothing to hit."""
    honours_keys: bool
    lease_seconds: float


def lines(outcome: Outcome) -> list[str]:
    """What is printed at the end."""
    verdict = outcome.verdict
    return [
        f"Chaos, seed {outcome.seed}: {outcome.seconds:.0f} s",
        "",
        *_requests(verdict),
        "",
        *_blows(verdict, outcome.missed),
        "",
        *_recovery(verdict.recoveries, outcome.lease_seconds),
        "",
        *_faults("lost", verdict.lost),
        *_faults("unexplained", verdict.unexplained),
        *_faults("duplicate", verdict.duplicates),
        *[
            f"ran again without a strike: {request_id}"
            for request_id in verdict.unexplained_reruns[:MOST_SHOWN]
        ],
        *[f"silent: {call}" for call in outcome.silences[:MOST_SHOWN]],
        *_totals(outcome),
    ]


def as_json(outcome: Outcome) -> dict[str, Any]:
    """Everything of a run."""
    return {
        "seed": outcome.seed,
        "seconds": round(outcome.seconds, 1),
        "honours_keys": outcome.honours_keys,
        "missed": outcome.missed,
        "is_good": outcome.verdict.is_good,
        **_plain(outcome.verdict),
        "silences": list(outcome.silences),
        "strikes": [asdict(blow) for blow in outcome.strikes],
    }


def _plain(verdict: Verdict) -> dict[str, Any]:
    return {
        one.name: value if isinstance(value := getattr(verdict, one.name), int) else _listed(value)
        for one in fields(verdict)
    }


def _listed(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key.value: _listed(one) if isinstance(one, Mapping) else one for key, one in value.items()}
    return [asdict(one) if is_dataclass(one) and not isinstance(one, type) else one for one in value]


def _requests(verdict: Verdict) -> list[str]:
    rows = [
        [
            kind.value,
            str(sum(fates.values())),
            str(fates.get(Fate.ANSWERED, 0)),
            str(verdict.excused.get(kind, 0)),
            str(verdict.broken_streams if kind is Kind.STREAM else "–"),
            str(sum(entry.kind is kind for entry in (*verdict.lost, *verdict.unexplained))),
        ]
        for kind, fates in verdict.by_kind.items()
    ]
    names = ["requests", "sent", "answered", "failed with their gateway", "broken off", "lost or unexplained"]
    return _markdown(names, rows)


def _blows(verdict: Verdict, missed: int) -> list[str]:
    names = ["strikes", *(struck.value for struck in Struck), "missed"]
    return _markdown(names, [["", *(str(verdict.blows.get(struck, 0)) for struck in Struck), str(missed)]])


def _recovery(recoveries: Sequence[Recovery], lease_seconds: float) -> list[str]:
    rows = []
    for struck in (Struck.WORKER, Struck.MODEL):
        times = sorted(one.seconds for one in recoveries if one.struck is struck)
        figures = [f"{_quantile(times, share):.2f}" for share in (0.5, 0.99, 1.0)] if times else ["–"] * 3
        rows.append([struck.value, str(len(times)), *figures])
    late = sum(one.seconds > lease_seconds + SLACK_SECONDS for one in recoveries)
    return [
        *_markdown(["ran again after the kill of its", "requests", "p50 s", "p99 s", "most s"], rows),
        "",
        f"later than a lease and {SLACK_SECONDS:g} s ({lease_seconds + SLACK_SECONDS:g} s): {late}",
    ]


def _faults(name: str, entries: Sequence[Entry]) -> list[str]:
    shown = [
        f"{name}: {entry.kind.value}-{entry.number} {entry.fate.value}: {entry.why} {' '.join(entry.request_ids)}"
        for entry in entries[:MOST_SHOWN]
    ]
    return shown if len(entries) <= MOST_SHOWN else [*shown, f"{name}: {len(entries) - MOST_SHOWN} more"]


def _totals(outcome: Outcome) -> list[str]:
    verdict = outcome.verdict
    return [
        f"keys: {'honoured' if outcome.honours_keys else 'NOT honoured yet; keyed requests were only retried'}",
        f"silences: {len(outcome.silences)}",
        f"refusals: {verdict.refusals}",
        f"retries: {verdict.retries}",
        f"re-runs: {verdict.reruns}",
        f"unexplained re-runs: {len(verdict.unexplained_reruns)}",
        f"unexplained: {len(verdict.unexplained)}",
        f"duplicates: {len(verdict.duplicates)}",
        f"overlaps: {verdict.overlaps}",
        f"lost: {len(verdict.lost)}",
    ]


def _markdown(names: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in (names, *rows)) for column in range(len(names))]
    rule = [f"{'-' * (width - 1)}:" for width in widths]
    return [
        f"| {' | '.join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))} |"
        for row in (names, rule, *rows)
    ]


def _quantile(ascending: Sequence[float], share: float) -> float:
    return ascending[min(len(ascending) - 1, int(share * len(ascending)))]
