"""The figures of a table, worked out of made-up samples."""

import io

import pytest
from rich.console import Console

from bench.figures import Spread, lines, quantile
from bench.generator import Load, read_report
from bench.goals import verdicts
from bench.measure import Sample
from bench.processes import UNPINNED
from bench.report import Result, as_json, digits, figure, markdown, show
from bench.workloads import plan


def sample(system: str, number: int, latencies: tuple[float, ...], cpu: float = 0.0) -> Sample:
    """One second of one system."""
    load = Load(seconds=1.0, cpu_seconds=0.1, latencies_ms=latencies, errors={})
    return Sample(system, number, load, {"gateway": cpu} if cpu else {}, 0.2, 0.0)


@pytest.mark.parametrize(
    ("share", "value"), [(0.5, 5), (0.9, 9), (0.91, 10), (0.99, 10), (1.0, 10), (0.0, 1)]
)
def test_quantile_is_the_nearest_rank(share: float, value: float) -> None:
    """No interpolation: every quantile is a latency that some request had."""
    assert quantile(list(range(1, 11)), share) == value


def test_quantile_of_nothing_is_an_error() -> None:
    """A round without answers must not pass for a fast one."""
    with pytest.raises(ValueError, match="no values"):
        quantile([], 0.5)


def test_latency_over_direct_is_paired_within_its_round() -> None:
    """The machine drifts from round to round; both sides of a difference see the same drift."""
    samples = [
        sample("direct", 1, (21.0,)),
        sample("peer", 1, (22.0,)),
        sample("direct", 2, (30.0,)),
        sample("peer", 2, (33.0,)),
    ]

    _, peer = lines(samples, sleep_ms=20)

    assert peer.p50_ms == Spread(7.5, 2.0, 13.0)
    assert peer.p50_over_direct_ms == Spread(2.0, 1.0, 3.0)


def test_direct_has_no_distance_to_itself() -> None:
    """A zero there would read as a measurement."""
    (direct,) = lines([sample("direct", 1, (21.0,))], sleep_ms=20)

    assert direct.p50_over_direct_ms is None


def test_cpu_counts_for_a_thousand_good_requests() -> None:
    """Half as many requests for the same CPU is twice the cost."""
    (line,) = lines([sample("peer", 1, (1.0,) * 500, cpu=0.75)], sleep_ms=0)

    assert line.cpu_per_1000 == Spread(1.5, 1.5, 1.5)
    assert line.requests_per_second == Spread(500, 500, 500)
    assert line.cpu_share == {"gateway": 1.0}


def test_a_round_without_an_answer_counts_its_errors_only() -> None:
    """A system that failed stands in the table, with its errors."""
    failed = Sample("peer", 1, Load(1.0, 0.1, (), {"status 502": 7}), {}, 0.0, 0.0)

    (line,) = lines([failed], sleep_ms=0)

    assert (line.requests, line.errors, line.p50_ms) == (0, 7, None)


@pytest.mark.parametrize(("added", "is_met"), [(2.0, True), (2.1, False)])
def test_idle_goal_is_two_milliseconds_over_direct(added: float, is_met: bool) -> None:
    """The limit itself is still met."""
    samples = [sample("direct", 1, (20.0,)), sample("Moorage (everysec)", 1, (20.0 + added,))]

    found = verdicts("W1", is_pinned=True, lines=lines(samples, sleep_ms=20))

    assert [verdict.is_met for verdict in found] == [is_met, True]


def test_unpinned_runs_have_no_goal() -> None:
    """Goals speak of the whole system on one core."""
    found = lines([sample("Moorage (everysec)", 1, (1.0,))], sleep_ms=0)

    assert verdicts("W4", is_pinned=False, lines=found) == ()


def test_generator_report_is_sorted_milliseconds() -> None:
    """Quantiles are read off by rank."""
    load = read_report(b'{"seconds": 2, "cpu_seconds": 0.5, "latencies_us": [3000, 1000], "errors": {}}')

    assert load.latencies_ms == (1.0, 3.0)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0.000"), (0.0471, "0.047"), (1.616, "1.62"), (93.86, "93.9"), (14505.2, "14,505")],
)
def test_digits_are_three_that_mean_something(value: float, text: str) -> None:
    """Small and large figures are as exact as each other."""
    assert digits(value) == text


def test_figure_without_a_range_is_one_number() -> None:
    """One round has no range."""
    assert figure(Spread(1.0, 1.0, 1.0)) == "1.00"
    assert figure(Spread(2.0, 1.0, 3.0)) == "2.00 (1.00 to 3.00)"
    assert figure(None) == "–"


def test_table_in_a_pipe_is_markdown() -> None:
    """It can be pasted into the docs."""
    assert markdown(["a", "b"], [["x", "1"]]) == "| a | b |\n| --- | ---: |\n| x | 1 |"


def measured() -> Result:
    """W1 and its four systems, two rounds each."""
    workload = plan(UNPINNED, quick=False, with_haproxy=True)[0]
    samples = tuple(
        sample(system.name, number, (20.5 + number, 31.25 + number), cpu=1.5)
        for number in (1, 2)
        for system in workload.systems
    )
    return Result(workload, samples, lines(samples, workload.sleep_ms), ())


def test_table_on_a_terminal_fits_eighty_columns() -> None:
    """Nothing is cut off."""
    screen = io.StringIO()

    show(measured(), Console(file=screen, force_terminal=True, width=80))

    assert "(everysec)" in screen.getvalue()
    assert "…" not in screen.getvalue()


def test_json_holds_every_round() -> None:
    """Whoever doubts a median can look."""
    document = as_json(measured())

    assert [one["round"] for one in document["rounds"]] == [1, 1, 1, 1, 2, 2, 2, 2]
    assert document["rounds"][0]["latency_ms"] == {"0.5": 21.5, "0.9": 32.25, "0.99": 32.25, "1": 32.25}
