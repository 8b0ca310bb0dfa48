"""`python -m bench.chaos`: SEED, REQUESTS and INTERVAL come from the environment or the command line."""

import argparse
import asyncio
import json
import os
import secrets
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.chaos.errors import ChaosError
from bench.chaos.report import Outcome, as_json, lines
from bench.chaos.storm import Options, storm


def main(argv: Sequence[str] | None = None) -> int:
    """Run; 0 when the contract held, 1 when it did not, 2 when there is no result."""
    arguments = _arguments(argv)
    options = Options(
        seed=arguments.seed or secrets.token_hex(3),
        requests=arguments.requests,
        interval=arguments.interval,
        rate=arguments.rate,
        keep=arguments.keep,
    )
    try:
        outcome = asyncio.run(_until_told_to_end(options))
    except ChaosError as exc:
        print(f"chaos: {exc}", file=sys.stderr)
        return 2
    except (KeyboardInterrupt, asyncio.CancelledError):
        return 130
    for line in lines(outcome):
        print(line)
    if arguments.out is not None:
        arguments.out.write_text(json.dumps(as_json(outcome), indent=1) + "\n")
    return 0 if outcome.verdict.is_good else 1


async def _until_told_to_end(options: Options) -> Outcome:
    """One run; SIGTERM ends it as Ctrl-C does, and its processes with it."""
    task = asyncio.current_task()
    if task is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await storm(options, _tell)


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    given = {name: value for name, value in os.environ.items() if value}
    parser = argparse.ArgumentParser(prog="python -m bench.chaos", description=__doc__)
    parser.add_argument("--seed", default=given.get("SEED"), help="repeats a schedule; default a new one")
    parser.add_argument("--requests", type=int, default=int(given.get("REQUESTS", "10000")))
    parser.add_argument("--interval", type=float, default=float(given.get("INTERVAL", "2")), help="s")
    parser.add_argument("--rate", type=float, default=50.0, help="requests that begin in a second")
    parser.add_argument("--keep", type=Path, help="a new folder in which logs and journal are left")
    parser.add_argument("--out", type=Path, help="write everything as JSON")
    return parser.parse_args(argv)


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
