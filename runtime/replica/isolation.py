"""Makes this process look as if the user had started `service.py` in its own folder."""

import os
import sys
from pathlib import Path

OURS = os.path.realpath(Path(__file__).parents[2])
"""The folder that `runtime` was imported from."""


def enter(folder: Path) -> None:
    """Work in `folder`, and import from it first and from the runner's folder last.

    So a user's own `infra` or `tests` (or even `runtime`) is found before this project's. Last
    and not never: a worker process of the service may have to import `runtime.replica.media`.
    """
    theirs = [p for p in sys.path if os.path.realpath(p) not in {OURS, os.path.realpath(Path.cwd())}]
    sys.path[:] = [str(folder), *theirs, OURS]
    os.environ["PYTHONPATH"] = os.pathsep.join(p for p in _python_path() if p != OURS)
    os.chdir(folder)
    if (folder / "runtime").is_dir() or (folder / "runtime.py").is_file():
        sys.modules.pop("runtime", None)  # its submodules stay importable by their full names
    # Workers started by `multiprocessing` import the parent's main module anew, and would not find it.
    main = sys.modules["__main__"]
    main.__spec__ = None
    main.__file__ = None


def _python_path() -> list[str]:
    entries = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    return [os.path.realpath(p) for p in entries if p]
