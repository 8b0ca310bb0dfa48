"""What can be wrong: the service itself, or what a caller sent."""

from typing import Any

Detail = list[dict[str, Any]]
"""One entry a fault: `type`, `loc`, `msg`, `input`."""


class ServiceError(Exception):
    """The folder holds no service that can be served; the message names the mend."""


class ServiceExitError(Exception):
    """The service's code tried to end the process, which is not its to end."""


class InputError(ValueError):
    """What the caller sent cannot be used: answered 422, never 500.

    A service may raise it too, for what its types cannot say.
    """

    def __init__(self, message: str, detail: Detail | None = None) -> None:
        super().__init__(message)
        self.detail: Detail = (
            [{"type": "value_error", "loc": ["body"], "msg": message, "input": None}]
            if detail is None
            else detail
        )
