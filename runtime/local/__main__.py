"""`python -m runtime.local up|down|status|logs|supervise`, in the folder of endpoints.yaml."""

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import structlog
from rich.console import Console

from runtime.local.down import bring_down
from runtime.local.errors import LocalError
from runtime.local.follow import show_logs
from runtime.local.lock import sole_holder
from runtime.local.notes import Notes
from runtime.local.pids import is_alive
from runtime.local.services import GATEWAY
from runtime.local.settings import Settings, read_settings
from runtime.local.status import show_status
from runtime.local.supervisor import Supervisor
from runtime.local.telling import Screen, Teller
from runtime.local.up import bring_up

PRIVATE = 0o077
"""Mask of file modes: requests and logs are nobody else's, in a state folder of the user's own choice too."""


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the command line says; the exit code, 1 for a fault that the user can mend."""
    arguments = _parser().parse_args(argv)
    os.umask(PRIVATE)
    teller = Teller(Console() if arguments.command == "logs" else Screen())
    complain = Teller(Console(stderr=True)).say
    try:
        settings = read_settings(os.environ, Path.cwd())
        _do(arguments, settings, teller)
    except LocalError as exc:
        complain(f"moorage: {exc}")
        return 1
    except KeyboardInterrupt:
        if arguments.command == "up":
            complain("moorage: interrupted. What was started runs on; `make down` stops it.")
        return 130
    return 0


def _do(arguments: argparse.Namespace, settings: Settings, teller: Teller) -> None:
    match arguments.command:
        case "up":
            asyncio.run(bring_up(at_running_port(settings), teller))
        case "down":
            asyncio.run(bring_down(settings, teller.say))
        case "status":
            asyncio.run(show_status(at_running_port(settings), teller))
        case "logs":
            show_logs(settings, arguments.endpoint, teller, follow=arguments.follow)
        case _:
            supervise(settings)


def at_running_port(settings: Settings) -> Settings:
    """The settings with the port on which the platform runs, unless the user gave one."""
    note = Notes(settings.places.run).service(GATEWAY)
    if settings.environ.get("MOORAGE_PORT") or not is_alive(note.process):
        return settings
    return replace(settings, port=note.port)


def supervise(settings: Settings) -> None:
    """Be the supervisor, in the foreground.

    Raises:
        AlreadyRunningError: another one is.
    """
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    with sole_holder(settings.places.run / "supervisor.lock"):
        asyncio.run(Supervisor(settings, structlog.stdlib.get_logger()).run())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m runtime.local", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("up", help="start, or take over changed records; send one request")
    commands.add_parser("down", help="stop everything that was started here")
    commands.add_parser("status", help="every endpoint's replicas and queue")
    logs = commands.add_parser("logs", help="last lines of the logs")
    logs.add_argument("endpoint", nargs="?", help="of this endpoint; without it of the platform itself")
    logs.add_argument("-f", "--follow", action="store_true", help="go on as lines come")
    commands.add_parser("supervise", help="be the supervisor, in the foreground")
    return parser


if __name__ == "__main__":
    sys.exit(main())
