"""Two candidates for one Lease: one leads, the other takes over, and never both at once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import structlog
from support.kube_api import KubeApi, serve_kube
from support.polling import until

from runtime.cluster.calls import ApiClient
from runtime.scaler.election import Election, NotLeadingError, Terms, claimed
from runtime.scaler.metrics import Metrics

PATH = "/apis/coordination.k8s.io/v1/namespaces/moorage/leases"
QUICK = Terms(lease_seconds=1, renew_seconds=0.6, retry_seconds=0.05, end_seconds=0.5)


class Candidate:
    """An election and what its leader does: nothing, visibly."""

    def __init__(self, client: ApiClient, identity: str, terms: Terms = QUICK) -> None:
        self.metrics = Metrics()
        self.election = Election(
            client,
            "moorage",
            "scaler",
            identity,
            clock=asyncio.get_running_loop().time,
            metrics=self.metrics,
            log=structlog.get_logger(),
            terms=terms,
        )
        self.acting = False
        self.terms_led = 0
        self.stop = asyncio.Event()

    async def lead(self) -> None:
        """Act until cancelled."""
        self.acting = True
        self.terms_led += 1
        try:
            await asyncio.Event().wait()
        finally:
            self.acting = False

    async def run(self) -> None:
        """Stand for election until stopped."""
        await self.election.run(self.lead, self.stop)


@asynccontextmanager
async def standing(*candidates: Candidate) -> AsyncIterator[None]:
    """Run candidates while the block runs."""
    tasks = [asyncio.create_task(candidate.run()) for candidate in candidates]
    try:
        yield
    finally:
        for candidate in candidates:
            candidate.stop.set()
        await asyncio.wait(tasks, timeout=5)
        for task in tasks:
            task.cancel()


def holder(kube: KubeApi) -> object:
    """Who holds the lease."""
    return kube.objects[PATH]["scaler"]["spec"]["holderIdentity"]


async def test_first_candidate_makes_the_lease_and_leads() -> None:
    """Its Role may create it."""
    kube = KubeApi()
    async with serve_kube(kube) as client:
        one = Candidate(client, "one")
        async with standing(one):
            await until(lambda: one.acting)
            spec = kube.objects[PATH]["scaler"]["spec"]

    assert (spec["holderIdentity"], spec["leaseDurationSeconds"]) == ("one", 1)


async def test_one_of_two_leads() -> None:
    """The other one waits as long as the first renews."""
    kube = KubeApi()
    async with serve_kube(kube) as client:
        one, two = Candidate(client, "one"), Candidate(client, "two")
        async with standing(one, two):
            await until(lambda: one.acting or two.acting)
            before = kube.version
            await until(lambda: kube.version > before + 20)

            assert one.acting != two.acting
            assert one.terms_led + two.terms_led == 1


async def test_stopped_leader_hands_over_at_once() -> None:
    """It releases the lease; the next one need not wait until it runs out."""
    kube = KubeApi()
    terms = Terms(lease_seconds=60, renew_seconds=40, retry_seconds=0.05, end_seconds=0.5)
    async with serve_kube(kube) as client:
        one, two = Candidate(client, "one", terms), Candidate(client, "two", terms)
        async with standing(one):
            await until(lambda: one.acting)
            async with standing(two):
                one.stop.set()
                await until(lambda: two.acting, 5)

                assert not one.acting
                assert holder(kube) == "two"


async def test_leader_that_cannot_renew_stops_before_another_may_begin() -> None:
    """The API does not answer any more."""
    kube = KubeApi()
    async with serve_kube(kube) as client:
        one = Candidate(client, "one")
        async with standing(one):
            await until(lambda: one.acting)
            begun = asyncio.get_running_loop().time()
            kube.hang = asyncio.Event()
            await until(lambda: not one.acting, 5)
            took = asyncio.get_running_loop().time() - begun
            kube.hang.set()
            kube.hang = None

            assert took < QUICK.lease_seconds
            with pytest.raises(NotLeadingError):
                one.election.require()


async def test_lease_that_runs_out_is_taken_over() -> None:
    """Its holder was killed."""
    kube = KubeApi()
    kube.put(
        PATH,
        {
            "metadata": {"name": "scaler"},
            "spec": {"holderIdentity": "dead", "leaseDurationSeconds": 1, "leaseTransitions": 4},
        },
    )
    async with serve_kube(kube) as client:
        one = Candidate(client, "one")
        async with standing(one):
            begun = asyncio.get_running_loop().time()
            await until(lambda: one.acting, 5)
            took = asyncio.get_running_loop().time() - begun

    assert took >= 1.0
    assert kube.objects[PATH]["scaler"]["spec"]["leaseTransitions"] == 5


async def test_lease_that_another_one_took_is_not_written_over() -> None:
    """Somebody edited it by force: the leader stops."""
    kube = KubeApi()
    async with serve_kube(kube) as client:
        one = Candidate(client, "one")
        async with standing(one):
            await until(lambda: one.acting)
            spec = {"holderIdentity": "thief", "leaseDurationSeconds": 60}
            kube.put(PATH, {"metadata": {"name": "scaler"}, "spec": spec})
            await until(lambda: not one.acting, 5)

            assert holder(kube) == "thief"


async def test_faults_of_the_api_do_not_end_a_candidate() -> None:
    """Refused, then let through."""
    kube = KubeApi(refusals=[500, 403, 503])
    async with serve_kube(kube) as client:
        one = Candidate(client, "one")
        async with standing(one):
            await until(lambda: one.acting)

    assert b'moorage_scaler_api_faults_total{call="lease",status="500"} 1.0' in one.metrics.expose()


async def test_fault_of_the_leader_comes_out() -> None:
    """A defect ends the process, visibly; it is started again."""
    kube = KubeApi()
    async with serve_kube(kube) as client:
        one = Candidate(client, "one")

        async def fail() -> None:
            raise RuntimeError("a defect")

        with pytest.raises(RuntimeError, match="a defect"):
            async with asyncio.timeout(5):
                await one.election.run(fail, one.stop)


@pytest.mark.parametrize(
    ("spec", "unchanged", "is_claimed"),
    [
        ({}, 0.0, True),
        ({"holderIdentity": ""}, 0.0, True),
        ({"holderIdentity": "me", "leaseDurationSeconds": 15}, 0.0, True),
        ({"holderIdentity": "you", "leaseDurationSeconds": 15}, 14.9, False),
        ({"holderIdentity": "you", "leaseDurationSeconds": 15}, 15.0, True),
        ({"holderIdentity": "you", "leaseDurationSeconds": 60}, 15.0, False),
        ({"holderIdentity": "you"}, 14.9, False),
    ],
)
def test_lease_is_claimed_only_when_its_holder_may_not_act(
    spec: dict[str, object], unchanged: float, is_claimed: bool
) -> None:
    """By the holder's own duration, measured here."""
    assert (claimed(spec, "me", unchanged, Terms()) is not None) == is_claimed
