"""What the models write down: which request ran where, from when to when."""

import json
from dataclasses import dataclass, field, replace
from pathlib import Path

from bench.chaos.ledger import Run


@dataclass(slots=True)
class Journal:
    """All runs so far, in the order in which they began."""

    path: Path
    runs: dict[str, Run] = field(default_factory=dict)
    overlaps: list[str] = field(default_factory=list)
    """Ids of requests that reached a model while it worked on another."""
    _latest: dict[int, str] = field(default_factory=dict)
    """The last run that began at each port."""
    _read: int = 0

    def read_on(self) -> None:
        """Take in what was written since the last time."""
        if not self.path.exists():
            return
        with self.path.open("rb") as file:
            file.seek(self._read)
            text = file.read()
        whole = text[: text.rfind(b"\n") + 1]
        self._read += len(whole)
        for line in whole.splitlines():
            self.note(line)

    def note(self, line: bytes) -> None:
        """Take in one line: a beginning, an end or an overlap."""
        said = json.loads(line)
        if said["what"] == "overlap":
            self.overlaps.append(said["id"])
        elif said["what"] == "begin":
            self.runs[said["run"]] = Run(said["id"], said["run"], said["port"], said["at"], None)
            self._latest[said["port"]] = said["run"]
        else:
            self.runs[said["run"]] = replace(self.runs[said["run"]], ended_at=said["at"])

    def busy_ports(self) -> set[int]:
        """Ports whose last run has not ended, as far as is known."""
        return {port for port, run in self._latest.items() if self.runs[run].ended_at is None}
