"""Events, log lines and durations in the words of a cause: bounded, and without values of variables. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from runtime.cluster.calls import Object
from runtime.scaler.fleet import moment

MOST_CHARACTERS = 300
"""Of a message that is passed on."""
MOST_LINES = 8
MOST_LOG_CHARACTERS = 1024
_MINUTE = 60


@dataclass(frozen=True, slots=True)
class Happening:
    """An event, with the last time that it came."""

    reason: str
    message: str
    at: float
    source: str


def happenings(events: Iterable[Object]) -> tuple[Happening, ...]:
    """Events in the order of their last occurrence."""
    found = [
        Happening(
            reason=str(event.get("reason") or ""),
            message=str(event.get("message") or ""),
            at=_last_at(event),
            source=str((event.get("source") or {}).get("component") or event.get("reportingComponent") or ""),
        )
        for event in events
    ]
    return tuple(sorted(found, key=lambda each: each.at))


def clean(text: str, hidden: Iterable[str]) -> str:
    """One line, cut short, without the hidden values."""
    told = " ".join(_without(text, hidden).split())
    return told if len(told) <= MOST_CHARACTERS else told[: MOST_CHARACTERS - 1] + "…"


def last_lines(text: str, hidden: Iterable[str]) -> str:
    """The last few lines that hold anything, without control characters and hidden values."""
    shown = "".join(each if each.isprintable() or each == "\n" else " " for each in _without(text, hidden))
    lines = [line.rstrip() for line in shown.splitlines() if line.strip()][-MOST_LINES:]
    return "\n".join(lines)[-MOST_LOG_CHARACTERS:]


def took(seconds: float) -> str:
    """`40 s`, `3 min`."""
    whole = max(0, round(seconds))
    return f"{whole} s" if whole < 2 * _MINUTE else f"{whole // _MINUTE} min"


def _without(text: str, hidden: Iterable[str]) -> str:
    """Longest values first, for one may hold another."""
    for value in sorted(hidden, key=len, reverse=True):
        text = text.replace(value, "***")
    return text


def _last_at(event: Object) -> float:
    series = event.get("series") or {}
    told = (
        series.get("lastObservedTime")
        or event.get("lastTimestamp")
        or event.get("eventTime")
        or event.get("firstTimestamp")
        or (event.get("metadata") or {}).get("creationTimestamp")
    )
    return moment(told) or 0.0
