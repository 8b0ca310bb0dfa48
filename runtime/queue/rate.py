"""A bucket of allowances that refills evenly, as one number: when it will be full again."""

import math
from dataclasses import dataclass

from runtime.queue.port import Allowance

_ROUNDING = 1e-6
"""Part of an allowance that floating point may take away."""


@dataclass(slots=True)
class Bucket:
    """Full at first, and again at `full_at`."""

    full_at: float = 0.0

    def allow(self, count: int, seconds: float, now: float) -> Allowance:
        """Take one out if there is one; see `Queue.allow`."""
        each = seconds / count
        missing = min(seconds, max(0.0, self.full_at - now))
        is_allowed = missing + each <= seconds + _ROUNDING * each
        if is_allowed:
            missing += each
            self.full_at = now + missing
        remaining = max(0, math.floor((seconds - missing) / each + _ROUNDING))
        retry = 0.0 if is_allowed else missing + each - seconds
        return Allowance(is_allowed, remaining, reset_seconds=missing, retry_seconds=retry)
