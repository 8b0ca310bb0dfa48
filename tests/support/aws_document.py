"""Reads docs/aws-checks.md: what of others' findings it explains."""

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import NamedTuple

from support.recordings import ROOT

DOCUMENT = ROOT / "docs" / "aws-checks.md"


class Finding(NamedTuple):
    """A check that fails, and on what: `case/type.name`."""

    check: str
    of: str


class Line(NamedTuple):
    """One check and one pattern of what it may fail on; without a case in it, in every case."""

    check: str
    of: str

    def explains(self, finding: Finding) -> bool:
        """Whether it is about a finding."""
        of = self.of if "/" in self.of else f"*/{self.of}"
        return self.check == finding.check and fnmatchcase(finding.of, of)


def explained() -> list[Line]:
    """Every pair of the table of findings."""
    found = rows("Findings that stand")
    return [Line(check, of) for checks, ofs in found for check in quoted(checks) for of in quoted(ofs)]


def names(heading: str) -> set[str]:
    """What stands in the first column of the table below a heading."""
    return {name for first, _ in rows(heading) for name in quoted(first)}


def rows(heading: str) -> Iterator[tuple[str, str]]:
    """First and second column of the table below a heading, all rows of it.

    Raises:
        ValueError: a row has another form, so nobody would read it.
    """
    text = DOCUMENT.read_text("utf-8").partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    for row in re.findall(r"^\| `.*$", text, re.MULTILINE):
        parts = re.fullmatch(r"\| ([^|]+) \| ([^|]+) \|(?:.+\|)?", row)
        if parts is None:
            raise ValueError(row)
        yield parts[1], parts[2]


def quoted(cell: str) -> list[str]:
    """What stands in backticks."""
    return re.findall(r"`([^`]+)`", cell)
