"""What the queue knows of replicas, beside what the cluster knows of pods."""

from dataclasses import replace

from support.kube_objects import BORN, make_deployment, make_pod
from support.views import empty_view

from runtime.queue.port import ReplicaState, ReplicaView
from runtime.scaler.fleet import read_fleet
from runtime.scaler.seeing import has_joined, view_of_fleet

NOW = BORN + 100


def test_pod_that_the_queue_does_not_know_is_told_from_one_that_it_knows() -> None:
    """Both are replicas; only of the second was a worker ever heard."""
    fleet = read_fleet(make_deployment(replicas=2), [make_pod("known"), make_pod("silent")])
    known = ReplicaView("known", ReplicaState.READY, "1", BORN, BORN, BORN, NOW, None, "")
    view = replace(empty_view(NOW), replicas=(known,))

    seen = view_of_fleet(view, fleet, 60.0, fleet.pods)

    assert {replica.id: has_joined(replica) for replica in seen.replicas} == {"known": True, "silent": False}
