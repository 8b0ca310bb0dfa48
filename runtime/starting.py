"""The first moment of a program: from here on SIGTERM ends it, also while it is still being imported.

In a container it is process 1, to which the kernel gives no default action: a signal that comes before a handler
is lost, and kubelet then waits for the pod's whole grace, which is as long as a request may run. Imports take a
second, on a busy node ten.
"""

import os
import signal
import sys
from importlib import import_module
from types import FrameType
from typing import NoReturn


def start(module: str) -> NoReturn:
    """Import a program's module and run its `main`, whose result is the exit status.

    `main` puts its own handlers in the place of the one that stands until then.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _leave)
    sys.exit(import_module(module).main())


def _leave(_number: int, _frame: FrameType | None) -> NoReturn:
    os._exit(0)  # nothing has begun that would have to end
