"""The platform API, told by its environment what to do (see `settings`): `python -m runtime.api`."""

import asyncio
import os

import structlog
import uvloop

from runtime.api.assembly import assemble
from runtime.api.settings import Settings
from runtime.gateway.addresses import make_addresses
from runtime.gateway.listening import listen
from runtime.gateway.registry import Endpoints, Source
from runtime.gateway.server import Port, serve, stopping_on_signals
from runtime.gateway.sources import make_source
from runtime.log import make_log
from runtime.objects.places import BadPlaceError, open_objects
from runtime.parsing import SettingsError
from runtime.queue.valkey import ValkeyQueue
from runtime.usage.store import open_usage


async def run(settings: Settings, source: Source, log: structlog.typing.FilteringBoundLogger) -> None:
    """Serve until a signal.

    Raises:
        OSError: the port cannot be listened on.
    """
    listening = listen(settings.host, settings.port)
    log.info("listening", port=listening.getsockname()[1])
    queue, endpoints, stop = ValkeyQueue.connect(settings.queue_url), Endpoints(source), asyncio.Event()
    try:
        async with (
            open_objects(settings.objects, settings.queue_url) as objects,
            open_usage(settings.sql) as usage,
        ):
            api = assemble(
                queue,
                objects,
                endpoints,
                addresses=make_addresses(settings.domain, settings.public_url, endpoints),
                log=log,
                clock=asyncio.get_running_loop().time,
                usage=usage,
            )
            with stopping_on_signals(stop):
                await serve(api, [Port(api.app, listening)], None, stop, settings.grace_seconds)
    finally:
        await queue.close()
    log.info("stopped")


def main() -> int:
    """Run; the process's exit status."""
    log = make_log("api")
    try:
        settings = Settings.from_environment(os.environ)
        source = make_source(settings.state, settings.namespace, settings.tokens, log)
        uvloop.run(run(settings, source, log))
    except (SettingsError, BadPlaceError) as error:
        log.critical("bad setting", fault=str(error))
        return 2
    except OSError as error:
        log.critical("cannot listen", fault=str(error))
        return 1
    return 0
