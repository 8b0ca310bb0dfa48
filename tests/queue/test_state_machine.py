"""The Valkey queue, its twin in memory and a plain model of the port, driven side by side.

Hypothesis makes up the moves. After each, all three must have answered the same and look the same. Time is
the test's in all three, so that days pass in no time and every deadline is met to the millisecond; it runs
in eighths of a second, which every one of them can say exactly.
"""

import asyncio
import operator
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import uvloop
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from redis.asyncio import Redis
from support.queue_model import PlainQueue
from support.queue_stage import HEAD, ROOMY
from support.queue_time import PlayedTime, read_played
from support.valkey_server import ValkeyServer

from runtime.queue.decode import endpoint_view, request_view
from runtime.queue.memory import MemoryQueue
from runtime.queue.port import (
    MAX_FAULTS,
    MAX_TAKES,
    Allowance,
    Answer,
    Bounds,
    Caller,
    EndpointView,
    IdempotencyKey,
    LeaseLostError,
    NewRequest,
    QueueError,
    QueueFullError,
    ReplicaState,
)
from runtime.queue.valkey import ValkeyQueue
from runtime.wire import AnswerHead, new_request_id

EPOCH = 1_000_000.0
FAST_STEPS, SLOW_STEPS, STEPS_A_RUN = 3_000, 100_000, 60
ROUNDING = 0.004
"""Seconds that a moving average may be off: Valkey keeps it in whole milliseconds."""
RECENT = 1
"""Requests that are looked up after each step, besides those that the step was about."""

ANSWER = Answer(AnswerHead(200, (("x-a", "1"),)), b"[]", "results/1")
CALLERS = [None, None, Caller("g1", "http://127.0.0.1:1", "s1"), Caller("g2", "http://127.0.0.1:2", "s2")]
KEYS = [None, None, *(IdempotencyKey(*each) for each in ("ax", "ax", "ax", "ay", "bx"))]
TIGHT = Bounds(waiting=3, waiting_bytes=24)
replicas = st.sampled_from(["r1", "r2", "r3"])
states = st.sampled_from([ReplicaState.READY, ReplicaState.STARTING, ReplicaState.FAILING, ReplicaState.BUSY])
several = st.lists(replicas, max_size=3, unique=True)
gateways = st.sampled_from(["g1", "g2"])
places = st.integers(0, 63)
leases = st.sampled_from([0.125, 15.0, 15.0, 60.0])
patience = st.sampled_from([0.5, 60.0, 600.0, 600.0])
spans = st.sampled_from([0.125, 0.125, 0.125, 0.5, 0.5, 1.0, 5.875, 6.0, 15.0, 15.0, 60.0, 86400.0, 604800.0])


class SocketServer(ValkeyServer):
    """One that is spoken to without TCP and journals nothing: most of a step's time goes there."""

    @property
    def socket(self) -> str:
        """Where it listens."""
        return str(self.folder / "valkey.sock")

    def _command(self) -> Sequence[str]:
        return [*super()._command(), "--unixsocket", self.socket, "--appendonly", "no"]


class Server:
    """What all runs share: the server, its clients and the loop that speaks to it."""

    def __init__(self, server: SocketServer, runner: asyncio.Runner) -> None:
        self._runner = runner
        self.client = Redis(unix_socket_path=server.socket)
        self.queue = ValkeyQueue(self.client, self.client, read_played)
        self._look, self._find = self.run(self._load("look")), self.run(self._load("find"))
        self.names = count(1)
        self.steps = 0
        self.comparisons = 0

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Its result."""
        return self._runner.run(work)

    async def _load(self, name: str) -> str:
        return str(await self.client.script_load(read_played(name)))

    async def views(self, endpoint: str, request_ids: Sequence[str]) -> list[Any]:
        """What `look` and `find` tell, in one go."""
        base = f"moorage:{{{endpoint}}}"
        async with self.client.pipeline(transaction=False) as pipe:
            pipe.evalsha(self._look, 1, base)
            for request_id in request_ids:
                pipe.evalsha(self._find, 1, base, request_id)
            look, *finds = await pipe.execute()
        return [endpoint_view(look), *(request_view(found) if found else None for found in finds)]


class Trio(RuleBasedStateMachine):
    """Three queues with one endpoint each, empty at first."""

    server: Server

    def __init__(self) -> None:
        super().__init__()
        self.endpoint = f"trio-{next(self.server.names)}"
        self.bucket = f"token:{self.endpoint}"
        self.plain = PlainQueue(EPOCH)
        self.memory = MemoryQueue(lambda: self.plain.now)
        self.time = PlayedTime(self.server.client, [self.endpoint, f"rate:{self.bucket}"])
        self.server.run(self.time.set(EPOCH))
        self.ids: list[str] = []
        self.turn = 0

    # Moves, made on all three.

    def check(
        self,
        name: str,
        *args: Any,
        plain: Sequence[Any] | None = None,
        about: Sequence[str] = (),
        **kwargs: Any,
    ) -> Any:
        """Make a move on all three, compare what they answer and how they look; the answer.

        `plain` are the model's arguments where it does not take the queues', which begin with the endpoint.
        """
        mine = args[1:] if plain is None else plain
        expected = outcome(lambda: getattr(self.plain, name)(*mine))
        in_memory = outcome(lambda: at_once(getattr(self.memory, name)(*args, **kwargs)))
        in_valkey, valkey_views = self.server.run(self.make(name, args, kwargs, about))
        for told in (in_memory, in_valkey):
            assert told == expected, (name, args, kwargs)
        views = [self.plain.look(), *(self.plain.find(each) for each in self.watched(about))]
        memory_views = [at_once(self.memory.look(self.endpoint))]
        memory_views += [at_once(self.memory.find(each)) for each in self.watched(about)]
        self.compare(memory_views, views)
        self.compare(valkey_views, views)
        return expected

    async def make(
        self, name: str, args: Sequence[Any], kwargs: dict[str, Any], about: Sequence[str]
    ) -> tuple[Any, list[Any]]:
        """What Valkey answers, and how it looks afterwards."""
        try:
            told = comparable(await getattr(self.server.queue, name)(*args, **kwargs))
        except QueueError as exc:
            told = comparable(exc)
        return told, await self.server.views(self.endpoint, self.watched(about))

    def watched(self, about: Sequence[str]) -> list[str]:
        """The requests that are looked up: what the step is about, and a few others in turn."""
        recent = [self.ids[(self.turn + each) % len(self.ids)] for each in range(min(RECENT, len(self.ids)))]
        return sorted({*about, *recent})

    def compare(self, views: Sequence[Any], expected: Sequence[Any]) -> None:
        """Fail unless they are the same."""
        self.server.comparisons += len(views)
        for view, should_be in zip(views, expected, strict=True):
            if not isinstance(view, EndpointView):
                assert view == should_be
                continue
            for average in ("run_seconds", "start_seconds", "wait_seconds"):
                assert getattr(view, average) == pytest.approx(getattr(should_be, average), abs=ROUNDING)
            assert exact(view) == exact(should_be)

    def begin(self) -> None:
        """Count a step."""
        self.server.steps += 1
        self.turn += RECENT

    def pick(self, place: int) -> str:
        """One of the run's requests, the latest for 0; an unknown one where there is none."""
        if not self.ids:
            return f"{self.endpoint}.{0:032x}"
        return self.ids[-1 - place % len(self.ids)]

    def held_by(self, replica: str) -> tuple[str, int]:
        """What a replica has in hand and by which attempt; else something that it has not."""
        request_id = self.plain.machines[replica].request if replica in self.plain.machines else None
        found = self.plain.find(request_id or self.pick(0))
        return request_id or self.pick(0), found.attempt if found is not None else 1

    def make_ready(self, replica: str) -> None:
        """Have a replica say that it is."""
        if replica not in self.plain.machines:
            self.check("join", self.endpoint, replica, "rev-1")
        self.check("beat", self.endpoint, replica, ReplicaState.READY, "late words")

    def take_with(self, replica: str, lease: float) -> Any:
        """Have it take."""
        return self.check("take", self.endpoint, replica, lease)

    def end(self, move: str, request_id: str, attempt: int) -> None:
        """End a take in one of the ways there are."""
        about = [request_id]
        if move in {"finish", "go_on"}:
            lease = 15.0 if move == "go_on" else None
            plain: tuple[Any, ...] = (request_id, attempt, ANSWER, lease)
            self.check(
                "finish", *(self.endpoint, *plain[:3]), next_lease_seconds=lease, plain=plain, about=about
            )
        elif move == "fail":
            self.check("fail", self.endpoint, request_id, attempt, "too long", about=about)
        else:
            fault = "exit status 137" if move == "fault" else None
            plain = (request_id, attempt, fault)
            self.check("give_back", self.endpoint, request_id, attempt, fault=fault, plain=plain, about=about)

    # The rules.

    @initialize(caller=st.sampled_from(CALLERS), key=st.sampled_from(KEYS))
    def begin_busy(self, caller: Caller | None, key: IdempotencyKey | None) -> None:
        """Most runs are about an endpoint that has work and replicas."""
        self.make_ready("r1")
        self.enqueue(caller=caller, key=None, priority=1, seconds=600.0, size=1, bounds=ROOMY)
        self.enqueue(caller=caller, key=key, priority=2, seconds=0.5, size=2, bounds=ROOMY)

    @rule(
        caller=st.sampled_from(CALLERS),
        key=st.sampled_from(KEYS),
        priority=st.sampled_from([0, 1, 1, 2]),
        seconds=patience,
        size=st.integers(0, 12),
        bounds=st.sampled_from([ROOMY, ROOMY, TIGHT]),
    )
    def enqueue(
        self,
        *,
        caller: Caller | None,
        key: IdempotencyKey | None,
        priority: int,
        seconds: float,
        size: int,
        bounds: Bounds,
    ) -> None:
        """A request comes in; once in a while its name in the object store does too."""
        self.begin()
        new_id = new_request_id(self.endpoint)
        self.ids.append(new_id)
        ref = f"bodies/{size}" if size > 10 else None
        request = NewRequest(
            new_id, HEAD, bytes(size), seconds, body_ref=ref, caller=caller, priority=priority, key=key
        )
        self.check("enqueue", request, bounds, plain=(request, bounds), about=[new_id])

    @rule(replica=replicas, lease=leases, is_ready=st.sampled_from([True, True, False]))
    def take(self, replica: str, lease: float, is_ready: bool) -> None:
        """A worker asks, mostly when its replica is ready."""
        self.begin()
        if is_ready:
            self.make_ready(replica)
        self.take_with(replica, lease)

    @rule(replica=replicas, move=st.sampled_from(["finish", "go_on", "fail", "fault", "drain"]))
    def end_of_take(self, replica: str, move: str) -> None:
        """A worker tells how its take ended, if it has one in hand."""
        self.begin()
        self.end(move, *self.held_by(replica))

    @rule(
        place=places,
        back=st.integers(0, 2),
        move=st.sampled_from(["go_on", "finish", "fail", "fault", "drain"]),
    )
    def late_worker(self, place: int, back: int, move: str) -> None:
        """Some worker tells of an attempt, maybe one of long ago."""
        self.begin()
        item = self.plain.item(self.pick(place))
        self.end(move, self.pick(place), 1 if item is None else item.attempt - back)

    @rule(replica=replicas, lease=leases, back=st.integers(0, 1))
    def renew(self, replica: str, lease: float, back: int) -> None:
        """A worker holds its lease, or the one before it."""
        self.begin()
        request_id, attempt = self.held_by(replica)
        self.check("renew", self.endpoint, request_id, attempt - back, lease, about=[request_id])

    @rule(replica=replicas)
    def poison(self, replica: str) -> None:
        """The model dies under the next request until that is a dead letter."""
        self.begin()
        for _ in range(MAX_FAULTS):
            self.make_ready(replica)
            taken = self.take_with(replica, 15.0)
            if taken is None:
                return
            self.end("fault", taken.id, taken.attempt)

    @rule(replica=replicas)
    def wear(self, replica: str) -> None:
        """A replica drains again and again."""
        self.begin()
        self.make_ready(replica)
        for _ in range(MAX_TAKES):
            taken = self.take_with(replica, 15.0)
            if taken is None:
                return
            self.end("drain", taken.id, taken.attempt)

    @rule(place=places)
    def cancel(self, place: int) -> None:
        """Somebody wants it no more."""
        self.begin()
        request_id = self.pick(place)
        self.check("cancel", request_id, plain=(request_id,), about=[request_id])

    @rule(gateway=gateways, chosen=st.lists(places, max_size=4), seconds=st.sampled_from([0.125, 6.0, 60.0]))
    def hold(self, gateway: str, chosen: list[int], seconds: float) -> None:
        """A gateway's clients still wait."""
        self.begin()
        self.check("hold", self.endpoint, gateway, [self.pick(place) for place in chosen], seconds)

    @rule(seconds=spans, is_swept=st.booleans())
    def time_passes(self, seconds: float, is_swept: bool) -> None:
        """What has expired is gone; what is late is seen to by the next sweep."""
        self.begin()
        self.plain.now += seconds
        self.server.run(self.time.set(self.plain.now))
        self.check("sweep" if is_swept else "nudge", self.endpoint)

    @rule(replica=replicas, move=st.sampled_from(["join", "leave", "beat", "beat", "beat"]), state=states)
    def worker_tells(self, replica: str, move: str, state: ReplicaState) -> None:
        """It starts, for the first time or again, goes, or says how its replica is."""
        self.begin()
        said = {"join": ["rev-2"], "leave": [], "beat": [state, f"{state}!"]}[move]
        self.check(move, self.endpoint, replica, *said)

    @rule(
        chosen=several, move=st.sampled_from(["retire", "unretire", "set_desired"]), desired=st.integers(0, 3)
    )
    def scaler_decides(self, chosen: list[str], move: str, desired: int) -> None:
        """It wants fewer, or them after all, and writes down how many."""
        self.begin()
        said: list[Any] = [desired, 3, f"want {desired}", 1.0] if move == "set_desired" else [chosen]
        self.check(move, self.endpoint, *said)

    @rule(place=places, limit=st.integers(1, 3))
    def gateway_tells(self, place: int, limit: int) -> None:
        """It counts against a rate, reads dead letters, and says an enqueue again whose answer was lost."""
        self.begin()
        self.check("allow", self.bucket, 4, 32.0, plain=(self.bucket, 4, 32.0))
        self.check("dead_letters", self.endpoint, limit)
        item = self.plain.item(self.pick(place))
        if item is not None:
            self.check("enqueue", item.new, ROOMY, plain=(item.new, ROOMY), about=[item.new.id])

    @rule(place=places)
    def replay(self, place: int) -> None:
        """One of the dead, if there is any, else any request."""
        self.begin()
        dead = self.plain.dead()
        request_id = dead[place % len(dead)].new.id if dead else self.pick(place)
        self.check("replay", request_id, plain=(request_id,), about=[request_id])

    @rule(place=places, is_all=st.booleans())
    def purge(self, place: int, is_all: bool) -> None:
        """One or all."""
        self.begin()
        self.check("purge", self.endpoint, None if is_all else self.pick(place))

    def teardown(self) -> None:
        """Every request that there ever was is the same in all three."""
        if self.ids:
            self.check("sweep", self.endpoint, about=self.ids)


def comparable(told: Any) -> Any:
    """What of a result or refusal must be the same everywhere."""
    if isinstance(told, QueueFullError):
        return QueueFullError, told.bound, told.waiting
    if isinstance(told, Exception):
        return type(told)
    if isinstance(told, Allowance):
        return told.is_allowed, told.remaining, round(told.reset_seconds, 3), round(told.retry_seconds, 3)
    return told


def outcome(move: Callable[[], Any]) -> Any:
    """What a move answers or how it refuses."""
    try:
        return comparable(move())
    except (QueueError, LeaseLostError) as exc:
        return comparable(exc)


def at_once(move: Coroutine[Any, Any, Any]) -> Any:
    """The result of a coroutine that never waits."""
    try:
        move.send(None)
    except StopIteration as done:
        return done.value
    raise AssertionError("a move in memory waited")


def exact(view: EndpointView) -> EndpointView:
    """All of it but the averages."""
    return replace(view, run_seconds=None, start_seconds=None, wait_seconds=None)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """One of its own."""
    with SocketServer(tmp_path) as process, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        server = Server(process, runner)
        yield server
        server.run(server.queue.close())


def drive(server: Server, steps: int, *, derandomize: bool) -> None:
    """Run until so many steps are made; tells how many there were."""
    machine = type("Trio", (Trio,), {"server": server})
    while server.steps < steps:
        runs = max(1, operator.floordiv(steps - server.steps, STEPS_A_RUN))
        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=runs,
                stateful_step_count=STEPS_A_RUN,
                derandomize=derandomize,
                database=None,
                deadline=None,
                phases=[Phase.generate, Phase.shrink],
                suppress_health_check=list(HealthCheck),
            ),
        )
    print(f"{server.steps} steps, {server.comparisons} views compared")  # noqa: T201 - asked for


@pytest.mark.timeout(60)
def test_three_queues_agree(server: Server) -> None:
    """The same moves each time: what fails here fails everywhere."""
    drive(server, FAST_STEPS, derandomize=True)

    assert server.steps >= FAST_STEPS


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_three_queues_agree_for_long(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    """Other moves each time; a failure prints what led to it."""
    with capsys.disabled():
        drive(server, SLOW_STEPS, derandomize=False)

    assert server.steps >= SLOW_STEPS
