"""What befell each request, and what that says of the platform: pure."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise

from bench.chaos.orders import Kind
from bench.chaos.schedule import Struck

KEPT = frozenset({Kind.ASYNC, Kind.KEYED})
"""Kinds of which none may be lost, whatever dies."""
DYING_SECONDS = 0.5
"""How long the kernel may take to tear a killed process down: until then it seems to listen."""


class Fate(StrEnum):
    """How a request ended, as its client saw it."""

    OPEN = "open"
    """Its client still waited when the run ended."""
    ANSWERED = "answered"
    FAILED = "failed"
    """An error in place of an answer, or a connection that broke before one."""
    BROKEN = "broken"
    """The answer broke off, visibly, after its first byte."""
    WRONG = "wrong"
    """An answer that is not its own, or not whole though it seemed so."""


@dataclass(slots=True)
class Entry:
    """One request in the ledger. Moments are of the machine's monotonic clock, in seconds."""

    number: int
    kind: Kind
    begun_at: float
    ended_at: float | None = None
    fate: Fate = Fate.OPEN
    why: str = ""
    """In place of an answer: what the client got."""
    request_ids: list[str] = field(default_factory=list)
    """Ids under which it was accepted, as far as the client knows."""
    runs: list[str] = field(default_factory=list)
    """The model's runs whose answers reached the client whole; one, unless it saw a duplicate."""
    refusals: int = 0
    """How often it was told that nothing was accepted, and tried again."""
    retries: int = 0
    """How often it tried again without knowing; async before the 201 and keyed ones only."""
    is_repeated: bool = False
    """Events of its stream came twice or out of order."""


@dataclass(frozen=True, slots=True)
class Blow:
    """One strike that hit a process."""

    at: float
    struck: Struck
    port: int | None = None
    """The model's port of the replica that was hit."""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Run:
    """One run of one request by a model."""

    id: str
    run: str
    port: int
    begun_at: float
    ended_at: float | None
    """None when the model died under it."""


@dataclass(frozen=True, slots=True)
class Recovery:
    """A request whose worker or model was killed, and how long it took until it ran again."""

    request_id: str
    struck: Struck
    seconds: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the ledger proves."""

    by_kind: Mapping[Kind, Mapping[Fate, int]]
    blows: Mapping[Struck, int]
    lost: Sequence[Entry]
    """Async and keyed requests without their right answer."""
    excused: Mapping[Kind, int]
    """Requests without a key that failed together with their own gateway."""
    broken_streams: int
    """Broken off by a kill of their own worker or model after the first byte."""
    unexplained: Sequence[Entry]
    """Other requests without a key that have no right answer."""
    duplicates: Sequence[Entry]
    overlaps: int
    reruns: int
    unexplained_reruns: Sequence[str]
    """Requests that ran again though nothing had struck their run."""
    recoveries: Sequence[Recovery]
    refusals: int
    retries: int

    @property
    def is_good(self) -> bool:
        """Whether the contract held."""
        return not (self.lost or self.unexplained or self.duplicates or self.overlaps)


def judge(entries: Sequence[Entry], blows: Sequence[Blow], runs: Sequence[Run], overlaps: int) -> Verdict:
    """Weigh every request against what was struck while it lived."""
    by_id = _by_id(runs)
    failed = [entry for entry in entries if entry.kind not in KEPT and entry.fate is not Fate.ANSWERED]
    excused = [entry for entry in failed if _lost_its_gateway(entry, blows)]
    broken = [entry for entry in failed if entry not in excused and _lost_its_worker(entry, by_id, blows)]
    repeats = [pair for found in by_id.values() for pair in pairwise(found)]
    return Verdict(
        by_kind={kind: Counter(entry.fate for entry in entries if entry.kind is kind) for kind in Kind},
        blows=Counter(blow.struck for blow in blows),
        lost=[entry for entry in entries if entry.kind in KEPT and entry.fate is not Fate.ANSWERED],
        excused=Counter(entry.kind for entry in excused),
        broken_streams=len(broken),
        unexplained=[entry for entry in failed if entry not in excused and entry not in broken],
        duplicates=[entry for entry in entries if entry.is_repeated or len(set(entry.runs)) > 1],
        overlaps=overlaps,
        reruns=len(repeats),
        unexplained_reruns=[one.id for one, again in repeats if not _was_struck(one, again, blows)],
        recoveries=list(_recoveries(by_id, blows)),
        refusals=sum(entry.refusals for entry in entries),
        retries=sum(entry.retries for entry in entries),
    )


def _by_id(runs: Iterable[Run]) -> dict[str, list[Run]]:
    found: dict[str, list[Run]] = {}
    for run in sorted(runs, key=lambda run: run.begun_at):
        found.setdefault(run.id, []).append(run)
    return found


def _lost_its_gateway(entry: Entry, blows: Sequence[Blow]) -> bool:
    """Whether the gateway was killed while it lived."""
    return entry.fate in {Fate.FAILED, Fate.BROKEN} and any(
        blow.struck is Struck.GATEWAY and entry.begun_at - DYING_SECONDS <= blow.at <= _end(entry)
        for blow in blows
    )


def _lost_its_worker(entry: Entry, by_id: Mapping[str, Sequence[Run]], blows: Sequence[Blow]) -> bool:
    """Whether its answer broke off and its own worker or model had been struck in that run."""
    if entry.fate is not Fate.BROKEN:
        return False
    runs = [run for request_id in entry.request_ids for run in by_id.get(request_id, ())]
    return any(
        blow.port == run.port
        and run.begun_at - DYING_SECONDS <= blow.at + blow.seconds
        and blow.at <= _end(entry)
        for run in runs
        for blow in blows
    )


def _was_struck(one: Run, again: Run, blows: Sequence[Blow]) -> bool:
    """Whether anything that could end or hide the first run was struck before the second began."""
    return any(
        one.begun_at - DYING_SECONDS <= blow.at + blow.seconds
        and blow.at <= again.begun_at
        and (blow.port is None or blow.port == one.port)
        for blow in blows
    )


def _recoveries(by_id: Mapping[str, Sequence[Run]], blows: Sequence[Blow]) -> Iterable[Recovery]:
    """Of every kill of a worker or model in the middle of a run that was run again."""
    kills = [blow for blow in blows if blow.struck in {Struck.WORKER, Struck.MODEL}]
    for runs in by_id.values():
        for one, again in pairwise(runs):
            for blow in kills:
                if blow.port == one.port and one.begun_at <= blow.at <= _run_end(one, again):
                    yield Recovery(one.id, blow.struck, again.begun_at - blow.at)


def _run_end(one: Run, again: Run) -> float:
    return again.begun_at if one.ended_at is None else one.ended_at


def _end(entry: Entry) -> float:
    return float("inf") if entry.ended_at is None else entry.ended_at
