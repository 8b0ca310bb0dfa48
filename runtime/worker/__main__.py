"""`python -m runtime.worker`: the sidecar of one replica."""

import asyncio
import logging
import signal
import time

import uvloop
from aiohttp import ClientSession, ClientTimeout, TCPConnector

from runtime.objects import FolderObjects
from runtime.queue.valkey import ValkeyQueue
from runtime.worker.condition import Condition
from runtime.worker.duty import Duty
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
    connector = TCPConnector(limit=16, keepalive_timeout=60)
    session = ClientSession(connector=connector, timeout=ClientTimeout(total=None), auto_decompress=False)
    try:
        async with session, serve_probes(condition, settings.probe_port, settings.request_seconds):
            model = Model(session, settings.model_url, settings.health)
            objects = FolderObjects(settings.objects)
            await Duty(settings, queue, model, objects, session, condition, time.monotonic).run()
    finally:
        await queue.close()


def main() -> None:
    """Run until told to leave."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s %(message)s", level=logging.INFO)
    uvloop.run(work(WorkerSettings.from_environment()))


if __name__ == "__main__":
    main()
