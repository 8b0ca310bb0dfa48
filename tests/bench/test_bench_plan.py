"""The figures of `make plan`, worked out of made-up samples, and one real plan."""

import os
from pathlib import Path

import pytest

from bench.errors import BenchError
from bench.figures import Spread
from bench.goals import plan_verdicts
from bench.plan import PlanSample, measure_plan, plan_lines, resources_per_endpoint, write_project
from infra.project import read_project, read_stack


def sample(endpoints: int, seconds: float = 1.0, resources: int = 50) -> PlanSample:
    """A plan that took so long."""
    return PlanSample(endpoints, seconds, seconds, 100.0, resources)


def test_rounds_of_one_size_are_one_line() -> None:
    """The smallest first, however the rounds took turns."""
    lines = plan_lines([sample(100, 4.0), sample(1, 2.0), sample(100, 5.0), sample(1, 2.0), sample(100, 3.0)])

    assert [(line.endpoints, line.seconds) for line in lines] == [
        (1, Spread(2.0, 2.0, 2.0)),
        (100, Spread(4.0, 3.0, 5.0)),
    ]


def test_resources_an_endpoint_leave_out_what_every_platform_has() -> None:
    """They are the slope between the smallest project and the largest."""
    lines = plan_lines([sample(1, resources=67), sample(101, resources=667)])

    assert resources_per_endpoint(lines) == 6.0


def test_one_size_says_nothing_of_an_endpoint() -> None:
    """The platform's own resources would count as the endpoint's."""
    assert resources_per_endpoint(plan_lines([sample(1)])) is None


def test_goals_are_of_the_median_of_their_size() -> None:
    """One slow round misses none."""
    lines = plan_lines([sample(1), sample(100, 4.0), sample(100, 4.5), sample(100, 9.0), sample(1000, 41.0)])

    goals = plan_verdicts(lines)

    assert [(goal.goal, goal.is_met) for goal in goals] == [
        ("100 endpoints in at most 5 s", True),
        ("1,000 endpoints in at most 40 s", False),
        ("at most 12 resources an endpoint", True),
    ]


def test_made_up_project_is_a_right_one(tmp_path: Path) -> None:
    """As many endpoints as asked for, and the stack holds their secret."""
    project = write_project(tmp_path / "project", 3)

    assert len(read_project(project).spec.endpoints) == 3
    assert read_stack(project, "local").secrets == {"db-url"}


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_a_plan_that_fails_is_no_measurement(tmp_path: Path) -> None:
    """Its last words are told."""
    project = write_project(tmp_path / "project", 1)
    (project / "endpoints.yaml").unlink()

    with pytest.raises(BenchError, match="there is no such file"):
        measure_plan(project, 1, os.environ)


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_a_plan_is_measured(tmp_path: Path) -> None:
    """In a process of its own, whose time and memory are told."""
    measured = measure_plan(write_project(tmp_path / "project", 2), 2, os.environ)

    assert measured.resources > 60
    assert measured.cpu_seconds > 0
    assert measured.memory_mib > 30
