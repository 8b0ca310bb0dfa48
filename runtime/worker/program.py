"""The sidecar of one replica: `python -m runtime.worker`."""

import asyncio
import logging
import signal
import sys
import time

import uvloop

from runtime.objects.places import open_objects
from runtime.parsing import SettingsError
from runtime.queue.valkey import ValkeyQueue
from runtime.worker.condition import Condition
from runtime.worker.deliveries import open_deliveries
from runtime.worker.duty import Duty
from runtime.worker.http1 import Connections
from runtime.worker.model import Model
from runtime.worker.probes import serve_probes
from runtime.worker.settings import WorkerSettings


async def work(settings: WorkerSettings) -> None:
    """Serve one replica until SIGTERM, then end the running request and leave."""
    condition = Condition()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, condition.leave)
    queue = ValkeyQueue.connect(settings.queue_url)
    connections = Connections(time.monotonic)
    try:
        async with (
            serve_probes(condition, settings.probe_host, settings.probe_port, settings.request_seconds),
            open_objects(settings.objects, settings.queue_url) as objects,
            open_deliveries() as deliveries,
        ):
            model = Model(connections, settings.model_address, settings.health)
            await Duty(
                settings, queue, model, objects, connections, deliveries, condition, time.monotonic
            ).run()
    finally:
        connections.close()
        await queue.close()


def main() -> None:
    """Run until told to leave."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s %(message)s", level=logging.INFO)
    try:
        settings = WorkerSettings.from_environment()
    except SettingsError as exc:
        sys.exit(f"moorage worker: {exc}")
    uvloop.run(work(settings))
