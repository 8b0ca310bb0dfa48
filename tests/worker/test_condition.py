"""What probes are told, as a table of events."""

from runtime.worker.condition import FAILURES_BEFORE_RESTART, Condition


def test_starting_model_that_fails_its_health_path_is_not_restarted() -> None:
    """It has its start_seconds; only who was up can fail."""
    condition = Condition()

    for _ in range(10):
        condition.note_health(is_up=False)

    assert condition.restart_reason is None


def test_model_that_was_up_is_restarted_after_three_failures_in_a_row() -> None:
    """Not before."""
    condition = Condition()
    condition.note_health(is_up=True)

    reasons = []
    for _ in range(FAILURES_BEFORE_RESTART):
        condition.note_health(is_up=False, detail="500")
        reasons.append(condition.restart_reason)

    assert reasons[:-1] == [None, None]
    assert reasons[-1] is not None


def test_one_good_answer_forgives_failures() -> None:
    """Only failures in a row count."""
    condition = Condition()
    condition.note_health(is_up=True)

    for is_up in (False, False, True, False, False):
        condition.note_health(is_up=is_up)

    assert condition.restart_reason is None


def test_wanted_restart_is_over_when_startup_is_asked() -> None:
    """Kubelet asks startup only of a model it has just started."""
    condition = Condition(is_up=True)
    condition.want_restart("late")

    condition.note_started()
    condition.note_health(is_up=True)

    assert condition.may_take


def test_startup_question_without_a_restart_changes_nothing() -> None:
    """It is asked again and again while a model starts."""
    condition = Condition(is_up=True)

    condition.note_started()

    assert condition.may_take


def test_draining_ends_with_the_next_start() -> None:
    """PreStop also runs on a liveness kill; the worker must take again afterwards."""
    condition = Condition(is_up=True)
    condition.drain()
    assert not condition.may_take

    condition.note_started()
    condition.note_health(is_up=True)

    assert condition.may_take


def test_leaving_is_for_good() -> None:
    """A worker that was told to end takes nothing more."""
    condition = Condition(is_up=True)

    condition.leave()
    condition.note_started()
    condition.note_health(is_up=True)

    assert not condition.may_take
