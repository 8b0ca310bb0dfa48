"""Figures of a workload, worked out of its samples: pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from bench.measure import Sample

DIRECT = "direct"


@dataclass(frozen=True, slots=True)
class Spread:
    """A figure over the rounds."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread | None":
        """Of one value a round; None where there is none."""
        return cls(median(values), min(values), max(values)) if values else None


@dataclass(frozen=True, slots=True)
class Line:
    """One system's figures in a workload; None where it has no such figure."""

    system: str
    requests: int
    """Good ones, of all rounds."""
    errors: int
    p50_ms: Spread | None
    """Latency less the stub's own sleep."""
    p99_ms: Spread | None
    p50_over_direct_ms: Spread | None
    """The same less what `direct` had in the same round."""
    p99_over_direct_ms: Spread | None
    requests_per_second: Spread | None
    cpu_per_1000: Spread | None
    """CPU seconds of all processes of the system for 1,000 good requests."""
    stubs_cpu_per_1000: Spread | None
    generator_cpu_per_1000: Spread | None
    cpu_share: dict[str, float]
    """Role to its part of the system's CPU, 0 to 1."""
    other_cores: Spread | None


def quantile(ascending: Sequence[float], share: float) -> float:
    """The smallest value that at least this share of all values does not exceed (nearest rank).

    Raises:
        ValueError: there are no values.
    """
    if not ascending:
        raise ValueError("no values")
    rank = max(1, -int(-share * len(ascending) // 1))
    return ascending[rank - 1]


def lines(samples: Sequence[Sample], sleep_ms: int) -> tuple[Line, ...]:
    """A line a system, in the order in which they ran."""
    names = dict.fromkeys(sample.system for sample in samples)
    direct = {sample.round: sample for sample in samples if sample.system == DIRECT and _answered(sample)}
    return tuple(_line([s for s in samples if s.system == name], direct, sleep_ms) for name in names)


def _line(samples: Sequence[Sample], direct: dict[int, Sample], sleep_ms: int) -> Line:
    good = [sample for sample in samples if _answered(sample)]
    paired = [] if samples[0].system == DIRECT else [sample for sample in good if sample.round in direct]

    def over_direct(share: float) -> Spread | None:
        return Spread.of([latency(sample, share) - latency(direct[sample.round], share) for sample in paired])

    def latency(sample: Sample, share: float) -> float:
        return quantile(sample.load.latencies_ms, share)

    def spread(figure: Callable[[Sample], float]) -> Spread | None:
        return Spread.of([figure(sample) for sample in good])

    return Line(
        system=samples[0].system,
        requests=sum(len(sample.load.latencies_ms) for sample in samples),
        errors=sum(sum(sample.load.errors.values()) for sample in samples),
        p50_ms=spread(lambda s: latency(s, 0.50) - sleep_ms),
        p99_ms=spread(lambda s: latency(s, 0.99) - sleep_ms),
        p50_over_direct_ms=over_direct(0.50),
        p99_over_direct_ms=over_direct(0.99),
        requests_per_second=spread(lambda s: len(s.load.latencies_ms) / s.load.seconds),
        cpu_per_1000=spread(lambda s: _per_1000(sum(s.system_cpu.values()), s)),
        stubs_cpu_per_1000=spread(lambda s: _per_1000(s.stubs_cpu, s)),
        generator_cpu_per_1000=spread(lambda s: _per_1000(s.load.cpu_seconds, s)),
        cpu_share=_shares(good),
        other_cores=spread(lambda s: s.other_cores),
    )


def _answered(sample: Sample) -> bool:
    return bool(sample.load.latencies_ms)


def _per_1000(cpu_seconds: float, sample: Sample) -> float:
    return cpu_seconds * 1000 / len(sample.load.latencies_ms)


def _shares(samples: Sequence[Sample]) -> dict[str, float]:
    spent: dict[str, float] = {}
    for sample in samples:
        for role, seconds in sample.system_cpu.items():
            spent[role] = spent.get(role, 0.0) + seconds
    total = sum(spent.values())
    return {role: seconds / total for role, seconds in spent.items()} if total else {}
