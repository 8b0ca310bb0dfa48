"""What the suite measured: printed at the end of the run, and kept as JSON where it is told to."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

FILE = "figures.json"


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured value beside the goal it is held to."""

    name: str
    value: float | str
    unit: str
    goal: str
    test: str


@dataclass(slots=True)
class Figures:
    """Every figure of a run, in the order in which they came."""

    test: str = ""
    """The test that runs now."""
    taken: list[Figure] = field(default_factory=list)

    def add(self, name: str, value: float | str, unit: str = "", *, goal: str = "") -> None:
        """Write one down: `figure("0->1 first answer", 2.3, "s", goal="pod start + 1 s")`."""
        self.taken.append(Figure(name, value, unit, goal, self.test))

    def table(self) -> list[str]:
        """One line a figure, in columns."""
        rows = [(each.name, shown(each), each.goal) for each in self.taken]
        widths = [max((len(row[column]) for row in rows), default=0) for column in range(2)]
        return [f"{name:<{widths[0]}}  {value:>{widths[1]}}  {goal}".rstrip() for name, value, goal in rows]

    def save(self, folder: Path) -> None:
        """Write them as JSON into a folder, which is made where it is not there."""
        folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps([asdict(each) for each in self.taken], indent=1)
        (folder / FILE).write_text(text + "\n", encoding="utf-8")


def shown(figure: Figure) -> str:
    """The value as a person reads it."""
    value = f"{figure.value:.3g}" if isinstance(figure.value, float) else str(figure.value)
    return f"{value} {figure.unit}".rstrip()


def spread(values: Sequence[float]) -> str:
    """Least, middle and most of some values, in three digits."""
    ordered = sorted(values)
    return f"{ordered[0]:.3g} / {ordered[len(ordered) // 2]:.3g} / {ordered[-1]:.3g}"
