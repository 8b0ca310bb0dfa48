"""The stub, the generator and the processes of a run, for real."""

import os
import shutil
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from bench.errors import BenchError
from bench.generator import Order, generate
from bench.measure import run_workload
from bench.processes import UNPINNED, pinned, running, wait_until
from bench.programs import Programs, cache_folder, content_hash
from bench.stubs import start_stubs
from bench.systems.direct import DIRECT
from bench.systems.haproxy import config_text
from bench.systems.moorage import valkey_argv
from bench.workloads import EVERYSEC, Workload, plan

needs_go = pytest.mark.skipif(shutil.which("go") is None, reason="the stub and the generator are Go programs")


@pytest.fixture(scope="session")
def programs() -> Programs:
    """Both programs, from the user's cache."""
    return Programs.build(cache_folder(os.environ))


def no_op(*systems: str) -> Workload:
    """A short W4 without pins."""
    (workload,) = (w for w in plan(None, quick=True, with_haproxy=False) if w.key == "W4")
    chosen = tuple(system for system in workload.systems if system.name in systems)
    order = Order(clients=8, most_requests=40, seconds=5)
    return Workload("W4", "", 2, 0, order, Order(2, 4, 5), UNPINNED, chosen, rounds=1)


@needs_go
@pytest.mark.timeout(90)
def test_stub_refuses_and_counts_overlapping_requests(programs: Programs, tmp_path: Path) -> None:
    """The check that every other figure stands on."""
    with start_stubs(programs.stub, 1, 200, UNPINNED, tmp_path) as stubs:
        url = f"http://127.0.0.1:{stubs.ports[0]}/infer"
        with ThreadPoolExecutor(2) as pool:
            loads = list(
                pool.map(lambda _: generate(programs.load, [url], Order(1, 1, 5), core=None), range(2))
            )
        overlaps = stubs.overlaps()

    assert overlaps == 1
    assert sorted(load.errors.get("status 500", 0) for load in loads) == [0, 1]


@needs_go
@pytest.mark.timeout(90)
def test_generator_stops_at_its_count(programs: Programs, tmp_path: Path) -> None:
    """A closed loop is bounded in count."""
    with start_stubs(programs.stub, 2, 0, UNPINNED, tmp_path) as stubs:
        urls = [f"http://127.0.0.1:{port}/infer" for port in stubs.ports]
        load = generate(programs.load, urls, Order(2, 50, 5), core=None)

    assert len(load.latencies_ms) == 50
    assert load.errors == {}


@needs_go
@pytest.mark.timeout(90)
def test_generator_counts_what_nobody_answers(programs: Programs) -> None:
    """Errors are told apart, and none is a latency."""
    load = generate(programs.load, ["http://127.0.0.1:1/infer"], Order(1, 3, 5), core=None)

    assert load.latencies_ms == ()
    assert load.errors == {"no connection": 3}


@needs_go
@pytest.mark.timeout(90)
def test_a_run_measures_every_system_without_error(programs: Programs) -> None:
    """The whole of it, in small: stubs, Moorage, generator, CPU by role."""
    workload = no_op(DIRECT.name, EVERYSEC.name)

    samples = run_workload(workload, programs, tell=lambda _: None)

    assert [sample.system for sample in samples] == [DIRECT.name, EVERYSEC.name]
    assert [len(sample.load.latencies_ms) for sample in samples] == [40, 40]
    assert [sample.load.errors for sample in samples] == [{}, {}]
    assert set(samples[1].system_cpu) == {"valkey", "gateway", "worker"}


def test_process_ends_with_its_block(tmp_path: Path) -> None:
    """Whatever is raised inside."""
    with (
        suppress(ZeroDivisionError),
        running("sleeper", ["sleep", "60"], core=None, log=tmp_path / "log") as one,
    ):
        1 / 0  # noqa: B018 - anything may go wrong inside

    assert one.popen.returncode == -signal.SIGKILL


def test_process_ends_with_a_bench_that_is_killed(tmp_path: Path) -> None:
    """SIGKILL leaves no time to clean up: the kernel does it."""
    script = (
        "import sys, time; from pathlib import Path; from bench.processes import running\n"
        f"with running('sleeper', ['sleep', '60'], core=None, log=Path({str(tmp_path / 'log')!r})) as one:\n"
        "    print(one.popen.pid, flush=True); time.sleep(60)\n"
    )
    root = Path(__file__).parents[2]
    with subprocess.Popen([sys.executable, "-c", script], cwd=root, stdout=subprocess.PIPE) as bench:
        assert bench.stdout is not None
        pid = int(bench.stdout.readline())
        # Only what has been started by then is bound to its parent's life: setpriv first, then the program.
        wait_until(lambda: runs_program(pid, b"sleep"), 5, "the sleeper runs", [])
        bench.kill()

    wait_until(lambda: not is_alive(pid), 5, "the sleeper has ended", [])


def runs_program(pid: int, name: bytes) -> bool:
    """Whether a process has become the program of this name."""
    return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0] == name


def is_alive(pid: int) -> bool:
    """Whether a process runs and is no zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def test_waiting_for_a_process_that_ended_shows_its_log(tmp_path: Path) -> None:
    """No waiting for the deadline, and the cause is in the message."""
    argv = ["sh", "-c", "echo a bad port; exit 3"]

    with (
        running("server", argv, core=None, log=tmp_path / "log") as server,
        pytest.raises(BenchError, match="server ended before it serves:\na bad port"),
    ):
        wait_until(lambda: False, 5, "it serves", [server])


def test_pinning_needs_two_cores() -> None:
    """The error names the mend."""
    with pytest.raises(BenchError, match="--unpinned"):
        pinned([0])


def test_programs_are_named_by_the_hash_of_their_source(tmp_path: Path) -> None:
    """An old program is never taken for a new one."""
    (tmp_path / "main.go").write_text("package main")
    before = content_hash(tmp_path)

    (tmp_path / "main.go").write_text("package mine")

    assert content_hash(tmp_path) != before


def test_haproxy_gives_each_server_one_connection() -> None:
    """Else the stubs would count overlaps."""
    text = config_text(8000, [8001, 8002])

    assert text.count("maxconn 1\n") == 2
    assert "balance leastconn" in text


def test_valkey_journals_as_asked(tmp_path: Path) -> None:
    """The figures of both settings stand side by side."""
    argv = valkey_argv(7000, tmp_path, "always")

    assert argv[argv.index("--appendfsync") + 1] == "always"
    assert argv[argv.index("--appendonly") + 1] == "yes"
