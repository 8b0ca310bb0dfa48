"""When a node counts as Ready."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cluster.node import is_ready

SINCE = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)


def _node(ready: str = "True", gpus: str | None = "4", heard: datetime = SINCE) -> dict[str, Any]:
    condition = {
        "type": "Ready",
        "status": ready,
        "lastHeartbeatTime": heard.isoformat().replace("+00:00", "Z"),
    }
    allocatable = {} if gpus is None else {"nvidia.com/gpu": gpus}
    return {"status": {"conditions": [condition], "allocatable": allocatable}}


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        (_node(), True),
        (_node(ready="False"), False),
        (_node(ready="Unknown"), False),
        (_node(gpus=None), False),
        (_node(gpus="0"), False),
        (_node(heard=SINCE - timedelta(seconds=1)), False),
        ({}, False),
    ],
)
def test_ready_node_was_heard_of_lately_with_all_its_gpus(node: dict[str, Any], *, expected: bool) -> None:
    """What an earlier kubelet said does not count, and without its device plugin a node is not complete."""
    assert is_ready(node, 4, SINCE) is expected
