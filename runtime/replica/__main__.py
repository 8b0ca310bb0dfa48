"""`python -m runtime.replica`: SIGTERM ends it from its first moment on, then `program` takes over.

As process 1 of a container it has no default action for a signal that comes before its own handler, and the imports
take a while: kubelet would wait for the pod's whole grace.
"""

import os
import signal
import sys
from importlib import import_module

if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    sys.exit(import_module("runtime.replica.program").main())
