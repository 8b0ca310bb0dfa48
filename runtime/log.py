"""The log: JSON lines on standard error."""

import logging
import sys

import structlog
from structlog.tracebacks import ExceptionDictTransformer

PROCESSORS: tuple[structlog.typing.Processor, ...] = (
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    # Local variables hold bodies, tokens, secrets and environments.
    structlog.processors.ExceptionRenderer(ExceptionDictTransformer(show_locals=False)),
    structlog.processors.JSONRenderer(),
)
"""What an event goes through on its way to a line of the log."""


def make_log(name: str) -> structlog.typing.FilteringBoundLogger:
    """The log of a program."""
    structlog.configure(
        processors=PROCESSORS,
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
    )
    # uvicorn reports a broken-off answer as its application's fault; ours is logged where it happens.
    logging.getLogger("uvicorn").setLevel(logging.CRITICAL + 1)
    log: structlog.typing.FilteringBoundLogger = structlog.get_logger(name)
    return log
