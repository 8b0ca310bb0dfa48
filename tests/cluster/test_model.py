"""The test model does what a request asks of it, one at a time, and tells the truth about it."""

import hashlib
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from cluster.binaries import Workshop, build
from support.ports import free_port

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.skipif(shutil.which("go") is None, reason="no go on PATH"),
]

PATIENCE_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Model:
    """A running one."""

    process: subprocess.Popen[str]
    client: httpx.Client

    def ask(self, **wish: object) -> httpx.Response:
        """Send one request, to a path as good as any."""
        return self.client.post("/v2/infer", json=wish)

    def answer(self, **wish: object) -> dict[str, Any]:
        """What it says, in JSON."""
        told: dict[str, Any] = self.ask(**wish).raise_for_status().json()
        return told

    def health(self) -> int:
        """Status of the health path."""
        return self.client.get("/healthcheck").status_code

    def busy(self) -> bool:
        """Whether it has begun a request and not told its end: its next line says so."""
        assert self.process.stdout is not None
        return '"event":"start"' in self.process.stdout.readline()

    def end(self) -> int:
        """SIGTERM; its exit status once it is gone."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE_SECONDS)


Start = Callable[..., Model]


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model, built."""
    shop = Workshop(tmp_path_factory.mktemp("bin"), say=lambda _: None)
    return build(["model"], shop)["model"] / "model"


@pytest.fixture
def start(program: Path) -> Iterator[Start]:
    """Starts models with variables of their own; all are ended."""
    started: list[Model] = []

    def starting(**env: str) -> Model:
        port = free_port()
        process = subprocess.Popen(
            (program,),
            env={"POD_NAME": "pod-1", **env, "PORT": str(port)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE_SECONDS, trust_env=False)
        started.append(Model(process, client))
        return started[-1]

    yield starting
    for model in started:
        model.client.close()
        model.process.kill()
        model.process.communicate()


@pytest.fixture
def model(start: Start) -> Model:
    """One that answers."""
    return listening(start())


def listening(model: Model) -> Model:
    """It, once it answers."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline and model.process.poll() is None:
        try:
            model.health()
        except httpx.TransportError:
            time.sleep(0.02)
        else:
            return model
    model.process.kill()
    raise AssertionError(model.process.communicate()[1])


def test_an_answer_tells_who_ran_what_and_when(model: Model) -> None:
    """All that the tests of the cluster hold it to."""
    before = time.time()

    told = model.answer(seconds=0.2, echo={"id": [1, "ä"]})

    assert (told["pod"], told["run"], told["overlaps"]) == ("pod-1", 1, 0)
    assert told["echo"] == {"id": [1, "ä"]}
    assert before - 0.01 <= told["started"] <= told["ended"] - 0.2
    assert "secret_sha256" not in told


def test_a_body_may_be_empty(model: Model) -> None:
    """Nothing asked for, at once answered."""
    assert model.client.post("/").raise_for_status().json()["seconds"] == 0


def test_a_body_that_is_no_object_is_the_callers_fault(model: Model) -> None:
    """And does not count as a run."""
    assert model.client.post("/", content=b"[1").status_code == httpx.codes.BAD_REQUEST
    assert model.answer()["run"] == 1


def test_a_second_request_meanwhile_fails_and_is_counted(model: Model) -> None:
    """The first one is not disturbed."""
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(model.answer, seconds=0.5)
        assert model.busy()
        second = model.ask()

    assert second.status_code == httpx.codes.INTERNAL_SERVER_ERROR
    assert (first.result()["overlaps"], model.answer()["run"]) == (1, 2)


def test_requests_one_after_the_other_never_overlap(model: Model) -> None:
    """A request may come as soon as the answer before it has."""
    assert [model.answer()["overlaps"] for _ in range(200)][-1] == 0


def test_a_stream_comes_line_by_line(model: Model) -> None:
    """The first line is there long before the last."""
    arrived = []
    with model.client.stream("POST", "/", json={"stream": 3, "seconds": 0.2}) as response:
        for _ in response.iter_lines():
            arrived.append(time.monotonic())  # noqa: PERF401 - the moment counts

    assert len(arrived) == 3
    assert arrived[-1] - arrived[0] > 0.3
    assert model.answer()["overlaps"] == 0


def test_it_is_healthy_while_it_runs(model: Model) -> None:
    """Unless it is told otherwise."""
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(model.answer, seconds=0.5)
        assert model.busy()

        assert model.health() == httpx.codes.OK
        assert time.time() < running.result()["ended"]


def test_it_may_answer_no_health_check_while_it_runs(start: Start) -> None:
    """`HEALTH_WHILE_BUSY=block`: the answer comes after the request's end."""
    model = listening(start(HEALTH_WHILE_BUSY="block"))
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(model.answer, seconds=0.5)
        assert model.busy()

        assert model.health() == httpx.codes.OK
        assert time.time() >= running.result()["ended"] - 0.05


def test_it_can_be_broken(model: Model) -> None:
    """Then it is unhealthy for good."""
    model.client.post("/break").raise_for_status()

    assert model.health() == httpx.codes.SERVICE_UNAVAILABLE


def test_it_can_hang(model: Model) -> None:
    """No answer, and none for the next either."""
    with pytest.raises(httpx.ReadTimeout):
        model.client.post("/", json={"hang": True}, timeout=0.3)

    assert model.ask().status_code == httpx.codes.INTERNAL_SERVER_ERROR


def test_it_can_end_in_the_middle_of_a_request(model: Model) -> None:
    """As a process does that runs out of memory."""
    with pytest.raises(httpx.RemoteProtocolError):
        model.ask(exit=True)

    assert model.process.wait(PATIENCE_SECONDS) == 3


def test_it_finishes_what_runs_when_it_is_told_to_end(model: Model) -> None:
    """SIGTERM in the middle of a request: the answer comes, then it is gone."""
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(model.answer, seconds=0.5)
        assert model.busy()
        status = model.end()

    assert (status, running.result()["run"]) == (0, 1)


def test_an_idle_one_ends_at_once(model: Model) -> None:
    """With a connection still open."""
    begun = time.monotonic()

    assert model.end() == 0
    assert time.monotonic() - begun < 1


def test_it_takes_its_time_to_start(start: Start) -> None:
    """`START_SECONDS`: nobody listens before."""
    begun = time.monotonic()

    listening(start(START_SECONDS="0.6"))

    assert time.monotonic() - begun >= 0.6


def test_it_can_be_ended_while_it_starts(start: Start) -> None:
    """It does not wait for the rest of its start."""
    model = start(START_SECONDS="30")
    # Its handler is there once the kernel says so.
    status = Path(f"/proc/{model.process.pid}/status")
    caught = 1 << (signal.SIGTERM - 1)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not int(status.read_text().split("SigCgt:")[1].split()[0], 16) & caught:
        assert time.monotonic() < deadline
        time.sleep(0.01)

    assert model.end() in {0, -signal.SIGTERM}


def test_it_can_crash_at_its_start(start: Start) -> None:
    """`CRASH_AT_START`: its text and nothing else on standard error."""
    model = start(CRASH_AT_START="no weights below /weights")

    assert model.process.communicate(timeout=PATIENCE_SECONDS) == ("", "no weights below /weights\n")
    assert model.process.returncode == 1


def test_a_secret_is_told_by_its_hash_only(start: Start) -> None:
    """That it arrived can be checked; what it is stands in no answer and no log."""
    model = listening(start(SECRET_ENV="MESSAGE", MESSAGE="only for the model"))

    told = model.ask(echo="x")
    model.end()

    assert told.json()["secret_sha256"] == hashlib.sha256(b"only for the model").hexdigest()
    assert "only for" not in told.text + "".join(model.process.communicate())


def test_bodies_are_not_logged(model: Model) -> None:
    """Each request has its start and its end there, and nothing of the caller's."""
    model.client.post("/private-path", json={"echo": "private"})
    model.end()

    out, err = model.process.communicate()

    assert [line.split(",")[0] for line in out.splitlines()] == ['{"event":"start"', '{"event":"end"']
    assert "private" not in out + err


def test_a_start_time_that_is_no_number_is_told(start: Start) -> None:
    """With what to give instead."""
    _, err = start(START_SECONDS="soon").process.communicate(timeout=PATIENCE_SECONDS)

    assert err == 'START_SECONDS is "soon". Give a number of seconds, 0 or more\n'
