"""How a request that ended without a model's answer is told to its client: pure."""

from runtime.gateway.errors import (
    AnswerNotKeptError,
    CancelledByUserError,
    DeadLetterError,
    FailedError,
    GatewayError,
    LostError,
    NotFinishedError,
    WaitedTooLongError,
)
from runtime.queue.port import RequestView
from runtime.wire import RequestState


def why_no_answer(view: RequestView) -> GatewayError:
    """The error in place of an answer that is not there."""
    reason = view.error or "no reason is known"
    match view.state:
        case RequestState.EXPIRED:
            return WaitedTooLongError(f"The request expired in the queue: {reason}.")
        case RequestState.CANCELLED:
            return CancelledByUserError("The request was cancelled.")
        case RequestState.DEAD:
            return DeadLetterError(f"The request is a dead letter: {reason}.")
        case RequestState.FAILED:
            return FailedError(f"The request failed: {reason}.")
        case RequestState.COMPLETED:
            return AnswerNotKeptError("The answer is not stored (any more).")
        case RequestState.WAITING | RequestState.RUNNING:
            return NotFinishedError(f"The request is {view.state.value}; poll until it is completed.")


def lost() -> LostError:
    """The error of a request that the queue does not know."""
    return LostError(
        "The queue knows the request no longer: it lost its data, or has not heard of this gateway for too long."
    )


def is_final(state: RequestState) -> bool:
    """Whether nothing more happens to a request in this state."""
    return state is not RequestState.WAITING and state is not RequestState.RUNNING
