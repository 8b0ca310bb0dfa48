"""How endpoints and requests look in the API: plain JSON values of what the queue says. Pure."""

from collections.abc import Sequence
from typing import Any

from runtime.gateway.asynchronous import poll_url, response_url
from runtime.gateway.metrics import count_replicas, oldest_seconds
from runtime.gateway.outcome import is_final, why_no_answer
from runtime.gateway.registry import Served
from runtime.queue.port import EndpointView, ReplicaState, ReplicaView, RequestView
from runtime.waiting import Waiting, explain
from runtime.wire import RequestState, Scaling

_STATUS = {RequestState.WAITING: "pending", RequestState.RUNNING: "running"}


def show_endpoint(served: Served, view: EndpointView, urls: Sequence[str]) -> dict[str, Any]:
    """One endpoint with its replicas, its queue, and why a request that came now would wait."""
    record, waiting = served.record, explain(view, served.record.scaling)
    return {
        "name": served.name,
        "url": next(iter(urls), None),
        "urls": list(urls),
        "access": record.access,
        "template": record.template,
        "health": record.health,
        "hardware": record.hardware,
        "replicas": _show_replicas(view, record.scaling),
        "queue": {
            "waiting": view.waiting,
            "running": view.running,
            "oldest_seconds": oldest_seconds(view),
            "wait_seconds": view.wait_seconds,
            "run_seconds": view.run_seconds,
            "dead": view.dead,
        },
        "waiting": {
            "position": view.waiting,
            "cause": waiting.cause,
            "estimate_seconds": waiting.estimate_seconds,
        },
        "replica_list": [_show_replica(replica) for replica in view.replicas],
    }


def show_why(view: EndpointView, scaling: Scaling) -> dict[str, Any]:
    """Why a request that came now would wait, behind how many, and the replicas that there are."""
    waiting = explain(view, scaling)
    return {
        "waiting": view.waiting,
        "running": view.running,
        "cause": waiting.cause,
        "estimate_seconds": waiting.estimate_seconds,
        "replicas": _show_replicas(view, scaling),
    }


def show_pending(view: RequestView, why: Waiting, base: str) -> dict[str, Any]:
    """A request that is not at its end: what a poll says, and why it waits."""
    return {
        "response_id": view.id,
        "status": _STATUS[view.state],
        "poll_url": poll_url(base, view.id),
        "position": view.position,
        "estimate_seconds": why.estimate_seconds,
        "cause": why.cause,
    }


def show_completed(view: RequestView, base: str) -> dict[str, Any]:
    """A request at its end; `state` and `error` are added when no model answered it.

    It is `completed` all the same: the original clients know no other end, and find the error, as a status
    of 400 or more, behind `response_url`.
    """
    shown: dict[str, Any] = {
        "response_id": view.id,
        "status": "completed",
        "poll_url": poll_url(base, view.id),
        "response_url": response_url(base, view.id),
    }
    if is_final(view.state) and view.state is not RequestState.COMPLETED:
        shown |= {"state": view.state.value, "error": why_no_answer(view).message}
    return shown


def _show_replicas(view: EndpointView, scaling: Scaling) -> dict[str, int]:
    return {
        "desired": view.desired,
        **{state.value: count_replicas(view, state) for state in ReplicaState},
        "min": scaling.min,
        "max": scaling.max,
    }


def _show_replica(replica: ReplicaView) -> dict[str, str]:
    return {"id": replica.id, "state": replica.state.value, "detail": replica.detail}
