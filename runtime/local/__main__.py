"""`python -m runtime.local up|down|status|logs|supervise`, in the folder of endpoints.yaml."""

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import structlog
from rich.console import Console

from runtime.local.down import bring_down
from runtime.local.errors import LocalError
from runtime.local.follow import show_logs
from runtime.local.lock import sole_holder
from runtime.local.settings import Settings, read_settings
from runtime.local.status import show_status
from runtime.local.supervisor import Supervisor
from runtime.local.telling import Teller
from runtime.local.up import bring_up


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the command line says; the exit code, 1 for a fault that the user can mend."""
    arguments = _parser().parse_args(argv)
    teller = Teller(Console())
    try:
        settings = read_settings(os.environ, Path.cwd())
        _do(arguments, settings, teller)
    except LocalError as exc:
        Teller(Console(stderr=True)).say(f"moorage: {exc}")
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _do(arguments: argparse.Namespace, settings: Settings, teller: Teller) -> None:
    match arguments.command:
        case "up":
            asyncio.run(bring_up(settings, teller))
        case "down":
            asyncio.run(bring_down(settings, teller.say))
        case "status":
            asyncio.run(show_status(settings, teller))
        case "logs":
            show_logs(settings, arguments.endpoint, teller, follow=arguments.follow)
        case _:
            supervise(settings)


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
