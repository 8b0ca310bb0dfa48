"""What the cluster's commands say: one plain line a step, at once, also into a pipe."""

import sys
from collections.abc import Callable

Tell = Callable[[str], None]
MINUTE = 60


def tell(text: str) -> None:
    """A line on standard output."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def duration(seconds: float) -> str:
    """`8 s` or `5 min 20 s`, whole seconds."""
    minutes, rest = divmod(round(seconds), MINUTE)
    if not minutes:
        return f"{rest} s"
    return f"{minutes} min {rest} s" if rest else f"{minutes} min"
