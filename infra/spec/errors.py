"""Faults that a user can mend: where, what is wrong, how to mend it, and a stable code."""

from collections.abc import Iterable
from dataclasses import dataclass

from infra.spec.codes import CODES

MOST_FAULTS = 100
"""Faults shown at once; more than these are one fault copied many times."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with a file.

    `line` and `column` count from 1. `path` names the key, as in `endpoints[2].replicas.min`, and
    is empty where the fault is the file's as a whole.
    """

    file: str
    line: int
    column: int
    path: str
    what: str
    mend: str
    code: str

    def __post_init__(self) -> None:
        """Hold every code to the list that the reference documents."""
        if self.code not in CODES:
            raise KeyError(self.code)

    @property
    def where(self) -> str:
        """File, line and key, ready to stand before the fault."""
        return f"{self.file}:{self.line}:" + (f" {self.path}:" if self.path else "")

    def __str__(self) -> str:
        """A block of two lines: what is wrong, then how to mend it."""
        return f"{self.where} {self.what}\n  {self.mend}  [{self.code}]"


class SpecError(Exception):
    """All faults of one reading, sorted by file, line and column, each once."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        found = sorted(set(faults), key=lambda fault: (fault.file, fault.line, fault.column, str(fault)))
        self.faults: tuple[Fault, ...] = _bounded(found)
        super().__init__(self.faults)

    def __str__(self) -> str:
        """One block a fault."""
        return "\n".join(str(fault) for fault in self.faults)


def _bounded(faults: list[Fault]) -> tuple[Fault, ...]:
    if len(faults) <= MOST_FAULTS:
        return tuple(faults)
    rest = faults[MOST_FAULTS:]
    last = Fault(
        file=rest[0].file,
        line=rest[0].line,
        column=rest[0].column,
        path="",
        what=f"{len(rest)} more faults from here on are not shown.",
        mend=f"Mend the {MOST_FAULTS} above first.",
        code="too-many-faults",
    )
    return (*faults[:MOST_FAULTS], last)
