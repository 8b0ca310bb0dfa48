"""Runs a program of this project that lives briefly: `python -m infra.brief infra.show_plan --stack NAME`.

Nearly all that such a program imports and makes is needed to its end, so nobody looks for garbage, from before its
first import on: a third of a plan's time would be that.
"""

import atexit
import gc
import runpy
import sys


def live_briefly() -> None:
    """Look for no garbage from now on, nor at the end."""
    gc.disable()
    atexit.register(gc.freeze)


def main() -> None:
    """Run the module that the first argument names, with the others."""
    live_briefly()
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
