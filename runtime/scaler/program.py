"""One scaler, told by its environment what to do (see `settings`): `python -m runtime.scaler`."""

import asyncio
import os
import signal

import uvloop
from structlog.typing import FilteringBoundLogger

from runtime.cluster.access import ClusterConfigError
from runtime.cluster.client import open_cluster
from runtime.log import make_log
from runtime.parsing import SettingsError
from runtime.queue.valkey import ValkeyQueue
from runtime.scaler.assembly import Scaler
from runtime.scaler.settings import Settings


async def run(settings: Settings, log: FilteringBoundLogger) -> None:
    """Scale until a signal.

    Raises:
        ClusterConfigError: there is no cluster to reach.
        OSError: a port cannot be listened on.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    queue = ValkeyQueue.connect(settings.queue_url)
    try:
        async with open_cluster(settings.context) as client:
            await Scaler(settings, client, queue, log).run(stop)
    finally:
        await queue.close()
    log.info("stopped")


def main() -> int:
    """Run; the process's exit status."""
    log = make_log("scaler")
    try:
        uvloop.run(run(Settings.from_environment(os.environ), log))
    except (SettingsError, ClusterConfigError) as error:
        log.critical("bad setting", fault=str(error))
        return 2
    except OSError as error:
        log.critical("cannot listen", fault=str(error))
        return 1
    except Exception:
        log.exception("ended by a fault of its own")
        return 1
    return 0
