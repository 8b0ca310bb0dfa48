"""Records followed over a socket: whole, then each change, through every fault of a watch."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager

import structlog
from structlog.testing import capture_logs
from support.kube_api import KubeApi, serve_kube
from support.polling import until
from support.records import make_record

from runtime.cluster.calls import ApiClient
from runtime.cluster.records import ClusterRecords, follow_records
from runtime.cluster.watching import Pace
from runtime.wire import AccountRecord, Record
from runtime.wire.names import record_name

PATH = "/api/v1/namespaces/moorage/configmaps"
PACE = Pace(watch_seconds=30, first_delay=0.01, most_delay=0.02, jitter=lambda: 0.0)


class Follower:
    """What a follower has seen so far."""

    def __init__(self) -> None:
        self.seen: list[ClusterRecords] = []

    @property
    def names(self) -> list[str]:
        """Endpoints of the last value."""
        return sorted(self.seen[-1].endpoints) if self.seen else []

    async def follow(self, client: ApiClient, pace: Pace) -> None:
        """Keep every value."""
        async with aclosing(follow_records(client, "moorage", structlog.get_logger(), pace=pace)) as values:
            async for value in values:
                self.seen.append(value)


@asynccontextmanager
async def following(kube: KubeApi, pace: Pace = PACE) -> AsyncIterator[Follower]:
    """Follow an API's records while the block runs."""
    kube.objects.setdefault(PATH, {})
    follower = Follower()
    async with serve_kube(kube) as client:
        task = asyncio.create_task(follower.follow(client, pace))
        try:
            yield follower
        finally:
            task.cancel()
            await asyncio.wait({task})


def put(kube: KubeApi, record: Record, name: str, kind: str = "endpoint") -> None:
    """Write a record's ConfigMap."""
    put_text(kube, record.model_dump_json(), name, kind)


def put_text(kube: KubeApi, text: str, name: str, kind: str = "endpoint") -> None:
    """Write any text where a record belongs."""
    labels = {"moorage.dev/record": kind}
    kube.put(PATH, {"metadata": {"name": name, "labels": labels}, "data": {"record.json": text}})


async def test_first_value_is_whole() -> None:
    """Endpoints and the account, over as many pages as it takes."""
    kube = KubeApi(page=2)
    for name in ("a", "b", "c", "d", "e"):
        put(kube, make_record(name), f"endpoint-{name}")
    put(kube, AccountRecord(account="acme"), "account", "account")

    async with following(kube) as follower:
        await until(lambda: follower.seen)

    assert follower.names == ["a", "b", "c", "d", "e"]
    assert follower.seen[0].account == AccountRecord(account="acme")


async def test_longest_names_have_shortened_config_maps() -> None:
    """What the plan calls the ConfigMap is what is looked for."""
    kube, name = KubeApi(), "e" * 61
    put(kube, make_record(name), record_name(name))

    async with following(kube) as follower:
        await until(lambda: follower.seen)

    assert record_name(name) != f"endpoint-{name}"
    assert follower.names == [name]


async def test_every_change_gives_a_value() -> None:
    """Added, changed, deleted."""
    kube = KubeApi()
    async with following(kube) as follower:
        await until(lambda: follower.seen and kube.watching)
        put(kube, make_record("a"), "endpoint-a")
        await until(lambda: follower.names == ["a"])
        put(kube, make_record("a", port=9), "endpoint-a")
        await until(lambda: follower.seen[-1].endpoints["a"].port == 9)
        kube.delete(PATH, "endpoint-a")
        await until(lambda: follower.names == [])


async def test_other_config_maps_are_not_asked_for() -> None:
    """The server selects by label."""
    kube = KubeApi()
    kube.put(PATH, {"metadata": {"name": "kube-root-ca.crt"}, "data": {}})

    async with following(kube) as follower:
        await until(lambda: follower.seen)

    assert follower.names == []
    assert {query["labelSelector"] for _, _, query in kube.asked} == {"moorage.dev/record"}


async def test_expired_version_is_listed_anew() -> None:
    """410: what happened meanwhile is not missed, deletions included."""
    kube = KubeApi()
    put(kube, make_record("a"), "endpoint-a")
    async with following(kube) as follower:
        await until(lambda: follower.seen and kube.watching)
        del kube.objects[PATH]["endpoint-a"]
        put(kube, make_record("b"), "endpoint-b")
        kube.expire()
        await until(lambda: follower.names == ["b"])


async def test_dropped_watch_is_listed_anew() -> None:
    """The API server restarts."""
    kube = KubeApi()
    async with following(kube) as follower:
        await until(lambda: follower.seen and kube.watching)
        kube.drop()
        await until(lambda: kube.lists(PATH) >= 2)
        put(kube, make_record("a"), "endpoint-a")
        await until(lambda: follower.names == ["a"])


async def test_ended_watch_goes_on_without_a_list() -> None:
    """The server ends each watch after its time-out; that is no fault."""
    kube = KubeApi()
    async with following(kube, Pace(watch_seconds=1, jitter=lambda: 0.0)) as follower:
        await until(lambda: sum("watch" in query for _, _, query in kube.asked) >= 3)
        put(kube, make_record("a"), "endpoint-a")
        await until(lambda: follower.names == ["a"])

    assert kube.lists(PATH) == 1


async def test_silent_connection_is_given_up() -> None:
    """A server that neither ends the watch nor speaks: the client's own deadline."""
    kube = KubeApi()
    pace = Pace(watch_seconds=1, grace_seconds=0.1, first_delay=0.01, most_delay=0.02)
    async with following(kube, pace) as follower:
        await until(lambda: follower.seen and kube.watching)
        kube.hang = asyncio.Event()
        await until(lambda: sum("watch" in query for _, _, query in kube.asked) >= 2)
        kube.hang.set()
        kube.hang = None
        put(kube, make_record("a"), "endpoint-a")
        await until(lambda: follower.names == ["a"])


async def test_refusals_are_waited_out() -> None:
    """The API is away, then there."""
    kube = KubeApi(refusals=[503, 403, 500])
    put(kube, make_record("a"), "endpoint-a")

    async with following(kube) as follower:
        await until(lambda: follower.names == ["a"])


async def test_bad_record_keeps_the_last_good_one_and_is_logged_once() -> None:
    """Its values are in no log."""
    kube = KubeApi()
    put(kube, make_record("a"), "endpoint-a")
    with capture_logs() as logs:
        async with following(kube) as follower:
            await until(lambda: follower.seen and kube.watching)
            put_text(kube, '{"name": "a", "env": {"KEY": 7777}}', "endpoint-a")
            put(kube, make_record("b"), "endpoint-b")
            await until(lambda: follower.names == ["a", "b"])
            kube.expire()
            await until(lambda: kube.lists(PATH) >= 2 and kube.watching)

    faults = [each for each in logs if each["event"] == "record cannot be read"]
    assert len(faults) == 1
    assert "7777" not in str(faults)


async def test_mended_record_counts_again() -> None:
    """The next good text takes over."""
    kube = KubeApi()
    put_text(kube, "no json", "endpoint-a")
    async with following(kube) as follower:
        await until(lambda: follower.seen and kube.watching)
        put(kube, make_record("a"), "endpoint-a")
        await until(lambda: follower.names == ["a"])

    assert follower.seen[0].endpoints == {}


async def test_record_of_another_endpoint_is_refused() -> None:
    """A copied ConfigMap must not answer for two names."""
    kube = KubeApi()
    put(kube, make_record("a"), "endpoint-b")

    async with following(kube) as follower:
        await until(lambda: follower.seen)

    assert follower.names == []
