"""`python -m runtime.gateway`: one gateway, told by its environment what to do (see `settings`)."""

import asyncio
import logging
import os
import sys

import structlog
import uvloop
from structlog.tracebacks import ExceptionDictTransformer

from runtime.gateway.addresses import make_addresses
from runtime.gateway.assembly import assemble
from runtime.gateway.listening import listen
from runtime.gateway.parsing import SettingsError
from runtime.gateway.registry import Endpoints, Source
from runtime.gateway.server import Port, serve, stopping_on_signals
from runtime.gateway.settings import Settings
from runtime.gateway.sources import make_source
from runtime.gateway.tracing import Tracing, make_tracing
from runtime.objects.places import BadPlaceError, open_objects
from runtime.queue.valkey import ValkeyQueue

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


async def run(
    settings: Settings, source: Source, tracing: Tracing, log: structlog.typing.FilteringBoundLogger
) -> None:
    """Serve until a signal.

    Raises:
        OSError: a port cannot be listened on.
    """
    clients = listen(settings.host, settings.port, is_shared=settings.is_port_shared)
    every = None if settings.all_port is None else listen(settings.host, settings.all_port)
    inner = listen(_inner_address(settings), settings.inner_port)
    inner_port = inner.getsockname()[1]
    stop = asyncio.Event()
    log.info(
        "listening",
        port=clients.getsockname()[1],
        all_port=None if every is None else every.getsockname()[1],
        inner_port=inner_port,
    )
    queue, endpoints = ValkeyQueue.connect(settings.queue_url), Endpoints(source)
    try:
        async with open_objects(settings.objects, settings.queue_url) as objects:
            gateway = assemble(
                queue,
                objects,
                endpoints,
                addresses=make_addresses(settings.domain, settings.public_url, endpoints),
                inner_url=f"http://{_url_host(settings.inner_host or '127.0.0.1')}:{inner_port}",
                log=log,
                clock=asyncio.get_running_loop().time,
                most=settings.most,
                tracing=tracing,
            )
            ports = [Port(gateway.app_of(settings.port_ingress), clients)]
            if every is not None:
                ports.append(Port(gateway.clients, every))
            with stopping_on_signals(stop):
                await serve(gateway, ports, Port(gateway.inner, inner), stop, settings.grace_seconds)
    finally:
        await queue.close()
        await asyncio.to_thread(tracing.close)
    log.info("stopped")


def _inner_address(settings: Settings) -> str:
    """Where workers come in: on one machine nobody else can, in a cluster a network policy sees to that."""
    return "127.0.0.1" if settings.inner_host is None else settings.host


def _url_host(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def main() -> int:
    """Run; the process's exit status."""
    log = make_log()
    try:
        settings = Settings.from_environment(os.environ)
        source = make_source(settings.state, settings.namespace, settings.tokens, log)
        uvloop.run(run(settings, source, make_tracing(os.environ), log))
    except (SettingsError, BadPlaceError) as error:
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
