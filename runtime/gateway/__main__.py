"""`python -m runtime.gateway`: one gateway, told by its environment what to do (see `settings`)."""

import asyncio
import logging
import os
import sys

import structlog
import uvloop
from structlog.tracebacks import ExceptionDictTransformer

from runtime.gateway.assembly import assemble
from runtime.gateway.listening import listen
from runtime.gateway.server import serve, stopping_on_signals
from runtime.gateway.settings import Settings, SettingsError
from runtime.gateway.tracing import Tracing, make_tracing
from runtime.objects import FolderObjects
from runtime.queue.valkey import ValkeyQueue
from runtime.wire.places import Places

PROCESSORS: tuple[structlog.typing.Processor, ...] = (
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    # Local variables hold bodies, tokens and secrets.
    structlog.processors.ExceptionRenderer(ExceptionDictTransformer(show_locals=False)),
    structlog.processors.JSONRenderer(),
)
"""What an event goes through on its way to a line of the log."""


def make_log() -> structlog.typing.FilteringBoundLogger:
    """JSON lines on standard error."""
    structlog.configure(
        processors=PROCESSORS,
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
    )
    # uvicorn reports a broken-off answer as its application's fault; ours is logged where it happens.
    logging.getLogger("uvicorn").setLevel(logging.CRITICAL + 1)
    log: structlog.typing.FilteringBoundLogger = structlog.get_logger("gateway")
    return log


async def run(settings: Settings, tracing: Tracing, log: structlog.typing.FilteringBoundLogger) -> None:
    """Serve until a signal.

    Raises:
        OSError: a port cannot be listened on.
    """
    clients = listen(settings.host, settings.port, is_shared=settings.is_port_shared)
    inner = listen("127.0.0.1", settings.inner_port)
    queue = ValkeyQueue.connect(settings.queue_url)
    places = Places(settings.state)
    gateway = assemble(
        queue,
        FolderObjects(places.objects),
        places,
        inner_url=f"http://127.0.0.1:{inner.getsockname()[1]}",
        public_url=settings.public_url,
        log=log,
        clock=asyncio.get_running_loop().time,
        most=settings.most,
        tracing=tracing,
    )
    stop = asyncio.Event()
    log.info("listening", port=clients.getsockname()[1], inner_port=inner.getsockname()[1])
    try:
        with stopping_on_signals(stop):
            await serve(gateway, clients, inner, stop, settings.grace_seconds)
    finally:
        await queue.close()
        await asyncio.to_thread(tracing.close)
    log.info("stopped")


def main() -> int:
    """Run; the process's exit status."""
    log = make_log()
    try:
        settings = Settings.from_environment(os.environ)
        uvloop.run(run(settings, make_tracing(os.environ), log))
    except SettingsError as error:
        log.critical("bad setting", fault=str(error))
        return 2
    except ImportError as error:
        log.critical(
            "OTEL_EXPORTER_OTLP_ENDPOINT is set, but the extra otel is not installed", fault=error.name
        )
        return 2
    except OSError as error:
        log.critical("cannot listen", fault=str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
