"""The tests' own cluster: a real Kubernetes of two nodes, built and started on this machine as root."""

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from types import FrameType

from cluster.actions import ACTIONS, Cluster
from cluster.errors import ClusterError
from cluster.go_build import BuildError
from cluster.places import find_places
from cluster.progress import tell
from cluster.topology import NODES

RUN_SECONDS = 3600.0
FAULT = 70
"""Exit status when it is the cluster that fails, not a command in it."""
INTERRUPTED = 130
"""Exit status after Ctrl-C or SIGTERM."""


def main(argv: Sequence[str] | None = None) -> int:
    """Do one command; its exit status."""
    arguments = _parser().parse_args(argv)
    # While programs are built; later the cluster itself listens.
    signal.signal(signal.SIGTERM, _leave)
    try:
        return ACTIONS[arguments.action](Cluster(find_places(), tell, os.environ), arguments)
    except (ClusterError, BuildError, ExceptionGroup) as fault:
        texts = dict.fromkeys(str(one) for one in _told(fault))
        sys.stderr.write("".join(f"cluster: {text}\n" for text in texts))
        return FAULT
    except (KeyboardInterrupt, asyncio.CancelledError):
        return INTERRUPTED


def _told(fault: Exception) -> Iterator[Exception]:
    """Every fault that a person can read, one by one; a mistake of ours keeps its traceback."""
    if isinstance(fault, ExceptionGroup):
        for one in fault.exceptions:
            yield from _told(one)
    elif isinstance(fault, (ClusterError, BuildError)):
        yield fault
    else:
        raise fault


def _leave(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m cluster", description=__doc__)
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    actions.add_parser("build", help="build programs and images, KEDA's too, and start nothing")
    actions.add_parser("up", help="start a cluster that stays until `down`")
    actions.add_parser("down", help="end it, whole or half, and say what is left of it")
    actions.add_parser("status", help="what runs")
    actions.add_parser("keda", help="install KEDA in the cluster that is up")
    run = actions.add_parser("run", help="start a cluster for one command, and end it")
    run.add_argument("--keda", action="store_true", help="build what the command `keda` needs beforehand")
    run.add_argument(
        "--seconds", type=float, default=RUN_SECONDS, help="longest that it may take (%(default)s)"
    )
    execute = actions.add_parser("exec", help="run a command in the cluster that is up")
    for taker in (run, execute):
        taker.add_argument("command", nargs="+", metavar="-- COMMAND")
    for name, help_ in (
        ("restart-kubelet", "end a node's kubelet and start it again; its pods run on"),
        ("kill-node", "cut a node's power"),
        ("start-node", "switch a node on again"),
    ):
        actions.add_parser(name, help=help_).add_argument("node", choices=[node.name for node in NODES])
    return parser


if __name__ == "__main__":
    sys.exit(main())
