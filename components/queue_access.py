"""How programs and workers get into the queue, whoever runs it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pulumi import Input, Output, Resource

from infra.plan.digests import OWN_QUEUE, worker_access


@dataclass(frozen=True, slots=True)
class QueueAccess:
    """What a queue gives to those who use it."""

    address: Input[str]
    """Host and port."""
    worker_key: Output[str]
    """What every worker's password is made from."""
    address_hash: Output[str]
    """Changes with the passwords of the platform's own programs."""
    scheme: str = OWN_QUEUE
    users: Mapping[str, Resource] = field(default_factory=dict)
    """By endpoint, what lets its workers in; they need it to their end."""
    made: Sequence[Resource] = ()
    """What must be there before a program comes in, where that takes longer than one may wait for a pod to start."""

    def of_workers(self, endpoint: str) -> Output[dict[str, str]]:
        """Content of the Secret with which an endpoint's workers come in."""
        both = Output.all(self.worker_key, self.address)
        return both.apply(lambda found: worker_access(found[0], endpoint, found[1], self.scheme))
