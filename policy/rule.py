"""What a rule is, and how rules judge a stack."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from policy.seen import Seen, Subject

Level = Literal["mandatory", "advisory"]
STACK = "the stack"
"""Where a breach is of no single resource."""


@dataclass(frozen=True, slots=True)
class Breach:
    """A resource that breaks a rule of the whole stack."""

    where: str
    """Its key, or `STACK`."""
    what: str


@dataclass(frozen=True, slots=True)
class ResourceRule:
    """A rule of which each resource is judged by itself, before it is made."""

    id: str
    level: Level
    title: str
    """What holds where it is kept."""
    mend: str
    check: Callable[[Seen], Iterator[str]]
    """What is wrong with a resource."""


@dataclass(frozen=True, slots=True)
class StackRule:
    """A rule that needs more than one resource to be judged."""

    id: str
    level: Level
    title: str
    mend: str
    check: Callable[[Subject], Iterator[Breach]]


Rule = ResourceRule | StackRule


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """A breach, as it is told."""

    where: str
    what: str
    mend: str
    rule: str
    level: Level

    def __str__(self) -> str:
        """A block of two lines: what is wrong, then how to mend it."""
        mark = self.rule if self.level == "mandatory" else f"{self.rule}, {self.level}"
        return f"{self.where}: {self.what}\n  {self.mend}  [{mark}]"


def judge(rules: Iterable[Rule], subject: Subject) -> tuple[Finding, ...]:
    """Every breach of every rule, sorted, each once."""
    return tuple(sorted(set(_findings(rules, subject))))


def _findings(rules: Iterable[Rule], subject: Subject) -> Iterator[Finding]:
    for rule in rules:
        for breach in _breaches(rule, subject):
            yield Finding(breach.where, breach.what, rule.mend, rule.id, rule.level)


def _breaches(rule: Rule, subject: Subject) -> Iterator[Breach]:
    if isinstance(rule, StackRule):
        yield from rule.check(subject)
        return
    for seen in subject.resources:
        for what in rule.check(seen):
            yield Breach(seen.key, what)
