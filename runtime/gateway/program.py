"""One gateway, told by its environment what to do (see `settings`): `python -m runtime.gateway`."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import structlog
import uvloop

from runtime.gateway.addresses import make_addresses
from runtime.gateway.assembly import assemble
from runtime.gateway.listening import listen
from runtime.gateway.registry import Endpoints, Source
from runtime.gateway.server import Port, serve, stopping_on_signals
from runtime.gateway.settings import Settings
from runtime.gateway.sources import make_source
from runtime.gateway.tracing import Tracing, make_tracing
from runtime.log import make_log
from runtime.objects.places import BadPlaceError, open_objects
from runtime.parsing import SettingsError
from runtime.queue.valkey import ValkeyQueue
from runtime.usage.store import open_usage

if TYPE_CHECKING:
    from runtime.gateway.forwarding import Forwarding


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
        async with (
            open_objects(settings.objects, settings.queue_url) as objects,
            _forwarding(settings.api_url, log) as forwarding,
            open_usage(settings.sql) as usage,
        ):
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
                forwarding=forwarding,
                usage=usage,
                proxies=settings.proxies,
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


@asynccontextmanager
async def _forwarding(
    url: str | None, log: structlog.typing.FilteringBoundLogger
) -> "AsyncIterator[Forwarding | None]":
    if url is None:
        yield None
        return
    # One machine does without an HTTP client.
    from runtime.gateway.forwarding import open_forwarding  # noqa: PLC0415 - as the comment says

    async with open_forwarding(url, log) as forwarding:
        yield forwarding


def _inner_address(settings: Settings) -> str:
    """Where workers come in: on one machine nobody else can, in a cluster a network policy sees to that."""
    return "127.0.0.1" if settings.inner_host is None else settings.host


def _url_host(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def main() -> int:
    """Run; the process's exit status."""
    log = make_log("gateway")
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
