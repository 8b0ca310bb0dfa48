"""The law of the scaling policy, held against what a cluster was seen to do: pure.

The number is the demand between min and max, held for `timeout` after it was last needed, and never below what is
busy. What was seen is seen late, so each bound counts with the least or the most of what may have been known.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

from e2e.client import Platform
from e2e.cluster_api import Event

SAMPLE_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Sample:
    """What the queue said at one moment."""

    at: float
    demand: int
    busy: int


@dataclass(frozen=True, slots=True)
class Step:
    """A number that was written, and when it was heard of."""

    at: float
    number: int


@dataclass(frozen=True, slots=True)
class Law:
    """Scaling of an endpoint, and how late its scaler may be, in seconds."""

    least: int
    most: int
    timeout: float
    up_seconds: float
    """From a higher demand to its number."""
    down_seconds: float
    """From the end of a hold to its number."""

    def __post_init__(self) -> None:
        """See that a number that is too low would be found.

        Raises:
            ValueError: a hold is over before the scaler must have acted.
        """
        if self.timeout <= 2 * self.up_seconds:
            raise ValueError(
                f"a hold of {self.timeout:g} s shows nothing of a raise within {self.up_seconds:g} s"
            )

    def breaches(self, samples: Sequence[Sample], steps: Sequence[Step]) -> list[str]:
        """Every step, and every sample, that the policy would not have given; empty where all is well."""
        told = []
        for step in steps:
            told += self._too_high(step, samples)
        for sample in samples:
            told += self._too_low(sample, samples, steps)
        return told

    def _clamp(self, number: int) -> int:
        return max(self.least, min(number, self.most))

    def _too_high(self, step: Step, samples: Sequence[Sample]) -> list[str]:
        """A step may ask for no more than was needed within the hold."""
        since = step.at - self.timeout - self.down_seconds
        # One sample more: what came between the last one and the step was seen by the scaler alone.
        known = [each.demand for each in samples if each.at <= step.at]
        needed = [each.demand for each in samples[: len(known) + 1] if each.at >= since]
        highest = self._clamp(max(needed, default=0))
        return [f"{step.number} at {step.at:.2f}, {highest} needed"] if step.number > highest else []

    def _too_low(self, sample: Sample, samples: Sequence[Sample], steps: Sequence[Step]) -> list[str]:
        """At no moment less than what is busy, what is demanded for a while, or what is still held."""
        number = next((step.number for step in reversed(steps) if step.at <= sample.at), None)
        if number is None:
            return []
        told = []
        if sample.busy > number:
            told.append(f"{number} at {sample.at:.2f}, {sample.busy} busy")
        held_from = sample.at - self.timeout + self.up_seconds
        held = [each.demand for each in samples if held_from <= each.at <= sample.at - self.up_seconds]
        if number < self._clamp(max(held, default=0)):
            told.append(
                f"{number} at {sample.at:.2f}, {self._clamp(max(held))} needed {self.timeout:g} s long"
            )
        return told


async def sample_queue(platform: Platform, endpoint: str, samples: list[Sample]) -> None:
    """Look at an endpoint's queue again and again, until cancelled."""
    while True:
        view = await platform.queue.look(endpoint)
        at = time.monotonic()
        busy = sum(replica.request is not None for replica in view.replicas)
        samples.append(Sample(at, view.demand, busy))
        await asyncio.sleep(SAMPLE_SECONDS)


def steps_of(deployments: Sequence[Event], before: int) -> list[Step]:
    """Each change of the number, the one of before first."""
    steps = [Step(0.0, before)]
    for event in deployments:
        number = int(event.object["spec"].get("replicas", 1))
        if number != steps[-1].number:
            steps.append(Step(event.at, number))
    return steps
