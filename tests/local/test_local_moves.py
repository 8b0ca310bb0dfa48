"""Replicas wanted and standing in, moves out."""

from dataclasses import replace

import pytest
from support.views import empty_view

from runtime.local.moves import Moves, Standing, plan_moves
from runtime.queue.port import EndpointView, ReplicaState, ReplicaView


def seen(id_: str, state: ReplicaState = ReplicaState.READY, idle_since: float | None = 0.0) -> ReplicaView:
    """A replica as the queue knows it."""
    return ReplicaView(
        id=id_,
        state=state,
        revision="new",
        joined_at=0.0,
        ready_at=0.0,
        idle_since=idle_since if state is ReplicaState.READY else None,
        beat_at=0.0,
        request=None,
        detail="",
    )


def view(*replicas: ReplicaView) -> EndpointView:
    """A queue with these replicas and nothing waiting."""
    return replace(empty_view(100.0), replicas=replicas)


BUSY, RETIRED, STARTING = ReplicaState.BUSY, ReplicaState.RETIRED, ReplicaState.STARTING


@pytest.mark.parametrize(
    ("wanted", "standing", "replicas", "free", "moves"),
    [
        pytest.param(0, "", [], 4, Moves(), id="at zero nothing moves"),
        pytest.param(2, "", [], 4, Moves(start=2), id="what is missing starts"),
        pytest.param(3, "new:a", [seen("a")], 1, Moves(start=1), id="as many as there are free slots"),
        pytest.param(1, "", [], 0, Moves(), id="none without a free slot"),
        pytest.param(1, "stop:a", [], 1, Moves(start=1), id="a stopping one does not count"),
        pytest.param(
            1,
            "new:a new:b",
            [seen("a", idle_since=50), seen("b", idle_since=10)],
            4,
            Moves(retire=("b",)),
            id="the longest idle goes",
        ),
        pytest.param(0, "new:a", [seen("a", BUSY)], 4, Moves(), id="a busy one is never retired"),
        pytest.param(
            1, "new:a new:b", [seen("a")], 4, Moves(retire=("b",)), id="one that never joined goes first"
        ),
        pytest.param(
            1,
            "new:a new:b",
            [seen("a"), seen("b", RETIRED)],
            4,
            Moves(retire=("b",)),
            id="one retired before goes first",
        ),
        pytest.param(
            1,
            "new:a",
            [seen("a", RETIRED)],
            4,
            Moves(unretire=("a",)),
            id="a retired one to stay takes again",
        ),
        pytest.param(1, "old:a", [seen("a")], 1, Moves(start=1), id="roll: the new one starts first"),
        pytest.param(
            1,
            "old:a new:b",
            [seen("a"), seen("b", STARTING)],
            0,
            Moves(),
            id="roll: old serves till new does",
        ),
        pytest.param(
            1,
            "old:a new:b",
            [seen("a", BUSY), seen("b")],
            0,
            Moves(drain=("a",)),
            id="roll: then it is drained",
        ),
        pytest.param(
            2,
            "old:a old:b",
            [seen("a", BUSY), seen("b")],
            0,
            Moves(drain=("b",)),
            id="roll without a slot: one by one, the idle first",
        ),
        pytest.param(
            2,
            "old:a stop:b",
            [seen("a", BUSY)],
            0,
            Moves(),
            id="roll without a slot: the next waits for the first",
        ),
        pytest.param(0, "old:a", [seen("a")], 4, Moves(drain=("a",)), id="roll at zero: old ones just go"),
        pytest.param(
            1,
            "old:a",
            [seen("a", RETIRED)],
            1,
            Moves(start=1, unretire=("a",)),
            id="roll: an old one that was retired takes again until the new one serves",
        ),
    ],
)
def test_moves(wanted: int, standing: str, replicas: list[ReplicaView], free: int, moves: Moves) -> None:
    """`standing` is `revision:id …`; `stop` is one that is being stopped."""
    pairs = [word.split(":") for word in standing.split()]
    held = [Standing(id_, "old" if kind == "stop" else kind, stopping=kind == "stop") for kind, id_ in pairs]

    assert plan_moves(wanted, "new", held, view(*replicas), free) == moves
