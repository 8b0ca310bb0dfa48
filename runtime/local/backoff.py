"""How long to wait before trying again."""

from dataclasses import dataclass

HEALTHY_SECONDS = 60.0
"""After so long without a fault the next one counts as the first, unless said otherwise."""


@dataclass(slots=True)
class Backoff:
    """Delays that double from `first` to `most` seconds, and start over after `healthy` ones."""

    first: float = 0.5
    most: float = 30.0
    healthy: float = HEALTHY_SECONDS
    faults: int = 0
    """Faults in a row."""

    def next_delay(self, healthy_seconds: float = 0.0) -> float:
        """Seconds to wait after a fault, before which all was well for so long."""
        if healthy_seconds >= self.healthy:
            self.faults = 0
        self.faults += 1
        return min(self.most, self.first * 2.0 ** min(self.faults - 1, 32))

    def reset(self) -> None:
        """Count from the first fault again."""
        self.faults = 0
