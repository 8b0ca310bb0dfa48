"""Serves the service of a folder: `python -m runtime.replica --folder DIR --port N`.

Exit codes: 0 after SIGTERM or SIGINT; 1 if the port cannot be opened; 2 for wrong arguments;
3 if the service cannot be imported, constructed or set up (the reason is on standard error).
"""

import argparse
import faulthandler
import io
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any

import uvicorn

from runtime.replica import media  # noqa: F401 - so that the service finds it once the runner is hidden
from runtime.replica.app import ReplicaApp
from runtime.replica.isolation import enter
from runtime.replica.lifecycle import Replica
from runtime.replica.settings import service_class

LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "%(levelname)s %(name)s: %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "plain"}},
    "loggers": {
        "moorage": {"handlers": ["stderr"], "level": "INFO", "propagate": False},
        "uvicorn": {"handlers": ["stderr"], "level": "WARNING", "propagate": False},
    },
}


class ReplicaServer(uvicorn.Server):
    """A server which tells its replica at once that it is to drain."""

    def __init__(self, config: uvicorn.Config, replica: Replica) -> None:
        super().__init__(config)
        self._replica = replica

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Called for SIGTERM and SIGINT."""
        self._replica.drain()
        super().handle_exit(sig, frame)


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until told to stop; the exit code."""
    args = _arguments(argv)
    enter(args.folder)
    faulthandler.enable()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)  # the user's prints reach the log as they come
    replica = Replica(args.folder, args.service_module, args.service_class)
    server = _server(replica, args.host, args.port)
    server.run()
    sys.stderr.flush()
    if replica.thread.busy:
        os._exit(replica.exit_code)  # stopped in the middle of setup(): nothing to wait for
    return replica.exit_code


def _server(replica: Replica, host: str, port: int) -> ReplicaServer:
    config = uvicorn.Config(
        ReplicaApp(replica),
        host=host,
        port=port,
        log_config=LOGGING,
        access_log=False,
        ws="none",
        lifespan="on",
        timeout_keep_alive=900,
    )
    server = ReplicaServer(config, replica)
    # uvicorn raises the signal once more when it is done, which must not end the process with 143.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: setattr(server, "should_exit", True))
    return server


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m runtime.replica")
    parser.add_argument("--folder", type=_folder, required=True, help="folder with service.py")
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--service-module", default="service")
    parser.add_argument(
        "--service-class",
        default=service_class(),
        help="which class to serve, where the module has several",
    )
    return parser.parse_args(argv)


def _folder(text: str) -> Path:
    folder = Path(text).resolve()
    if not folder.is_dir():
        raise argparse.ArgumentTypeError(f"{text} is not a folder")
    return folder
