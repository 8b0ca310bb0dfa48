"""Virtual environments that nobody uses go after a week; no endpoint waits for another's faulty one."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from support.records import make_record

from runtime.local.environments import KEPT_SECONDS, Environments, drop_drafts
from runtime.local.fleet import Fleet
from runtime.local.housekeeping import lacking
from runtime.local.settings import Settings
from runtime.local.sources import Sources
from runtime.wire import EndpointRecord, PythonSource

NOW = 2_000_000_000.0
OLD = NOW - KEPT_SECONDS - 1


def environment(settings: Settings, name: str, last_used: float) -> None:
    """A folder as an environment has it."""
    folder = settings.places.venvs / name
    (folder / "bin").mkdir(parents=True)
    os.utime(folder, (last_used, last_used))


def names(settings: Settings) -> set[str]:
    """What lies there."""
    return {path.name for path in settings.places.venvs.iterdir()}


async def test_only_old_environments_that_nobody_uses_are_removed(settings: Settings) -> None:
    """A recent one may be wanted again, an old one that is in use stays."""
    environment(settings, "used", OLD)
    environment(settings, "recent", NOW - 60)
    environment(settings, "forgotten", OLD)

    await Environments(settings).drop_unused({"used"}, NOW)

    assert names(settings) == {"used", "recent"}


async def test_without_any_environment_nothing_happens(settings: Settings) -> None:
    """A fresh state folder has none."""
    await Environments(settings).drop_unused(set(), NOW)


def test_what_an_interrupted_removal_left_goes_at_the_next_start(settings: Settings) -> None:
    """Half an environment is never taken for a whole."""
    environment(settings, "half.making", NOW)

    drop_drafts(settings.places.venvs)

    assert names(settings) == set()


@dataclass
class Standing:
    """As much of a fleet as prefetching looks at."""

    record: EndpointRecord
    may_prepare: bool


class NothingPrepared:
    """Sources of which nothing is installed."""

    def is_prepared(self, record: EndpointRecord) -> bool:
        """No."""
        return record.name == "done"


def test_an_endpoint_that_failed_just_now_holds_up_no_other() -> None:
    """The first that may be prepared is."""
    source = PythonSource(folder="x")
    fleets = {
        "broken": Standing(make_record("broken", source=source), may_prepare=False),
        "done": Standing(make_record("done", source=source), may_prepare=True),
        "next": Standing(make_record("next", source=source), may_prepare=True),
        "stub": Standing(make_record("stub"), may_prepare=True),
    }

    found = lacking(cast("Mapping[str, Fleet]", fleets), cast("Sources", NothingPrepared()))

    assert [fleet.record.name for fleet in found] == ["next"]
