"""How long each step of the way up takes."""

import time
from dataclasses import dataclass, field

from cluster.progress import Tell


@dataclass(slots=True)
class Stopwatch:
    """Tells each step as it is done, with the seconds since the start."""

    say: Tell
    started: float = field(default_factory=time.monotonic)

    def tell(self, what: str) -> None:
        """A step is done."""
        self.say(f"{time.monotonic() - self.started:6.1f} s  {what}")
