"""Causes of waiting, in words."""

import pytest

from runtime.local.causes import Circumstances, cause_of, slots_text

USED = {"ocr": 1, "embed": 1}


@pytest.mark.parametrize(
    ("now", "slots", "cause"),
    [
        (Circumstances(wanted=0, replicas=0, ready=0), 2, ""),
        (Circumstances(wanted=1, replicas=1, ready=1), 2, ""),
        (
            Circumstances(wanted=0, replicas=0, ready=0, secret="secret x is missing"),
            2,
            "cannot start: secret x is missing",
        ),
        (Circumstances(wanted=1, replicas=0, ready=0, doing="installing packages"), 4, "installing packages"),
        (
            Circumstances(wanted=1, replicas=0, ready=0, fault="no docker", doing="pulling"),
            4,
            "cannot start: no docker",
        ),
        (Circumstances(wanted=1, replicas=1, ready=0), 2, "starting"),
        (Circumstances(wanted=2, replicas=1, ready=0, crashes=["it ended"]), 2, "it ended"),
        (
            Circumstances(wanted=2, replicas=1, ready=1),
            2,
            "no free CPU slot: 2 of 2 in use by embed (1), ocr (1)",
        ),
        (Circumstances(wanted=2, replicas=1, ready=1), 3, "starting"),
    ],
)
def test_the_first_cause_that_holds_is_told(now: Circumstances, slots: int, cause: str) -> None:
    """A fault before what is going on, that before slots; nothing when enough are ready."""
    assert cause_of(now, USED, slots) == cause


def test_slots_name_only_those_who_have_some() -> None:
    """Sorted, so that the text does not change by itself."""
    assert slots_text({"b": 2, "a": 1, "c": 0}, 3) == "no free CPU slot: 3 of 3 in use by a (1), b (2)"
