"""Small storms, for real."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest
from support.platform import until

from bench.chaos.report import as_json, lines
from bench.chaos.schedule import Struck
from bench.chaos.storm import Options, storm
from runtime.local.pids import marked

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_small_storm_loses_nothing_and_leaves_nothing(tmp_path: Path) -> None:
    """400 requests in 20 s under kills every 2 s."""
    folder = tmp_path / "kept"

    outcome = asyncio.run(storm(Options(seed="small", requests=400, rate=20, keep=folder), print))

    assert outcome.verdict.is_good, "\n".join(lines(outcome))
    assert {"lost: 0", "overlaps: 0", "duplicates: 0", "unexplained: 0"} <= set(lines(outcome))
    assert sum(outcome.verdict.blows.values()) >= 7
    assert outcome.verdict.blows[Struck.VALKEY] >= 1
    assert as_json(outcome)["is_good"]
    assert not marked(folder / ".moorage")


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_platform_ends_when_the_harness_is_killed(tmp_path: Path) -> None:
    """A reaper outlives it."""
    folder = tmp_path / "kept"
    command = (sys.executable, "-m", "bench.chaos", "--keep", str(folder), "--requests", "400")
    harness = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until(lambda: len(marked(folder / ".moorage")) > 5, 60)
    finally:
        harness.kill()
        harness.wait()

    until(lambda: not marked(folder / ".moorage"), 30)
