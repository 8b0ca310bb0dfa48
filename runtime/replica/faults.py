"""What a service's exception is shown as: the user's own lines, not the road of ours that led to them."""

import traceback
from pathlib import Path
from types import TracebackType

from runtime.replica.errors import ServiceExitError


def told(fault: BaseException, folder: Path) -> str:
    """The fault in one line, then its traceback from the service's first line on.

    Where the folder's code has no part in it, the fault may be ours: then the whole traceback.
    """
    summary, shown = traceback.format_exception_only(fault)[-1].strip(), fault
    if isinstance(fault, ServiceExitError) and fault.__cause__ is not None:
        summary, shown = str(fault), fault.__cause__  # our word for it, and where the service did it
    trace = traceback.format_exception(type(shown), shown, _own_part(shown, folder))
    return f"{summary}\n{''.join(trace)}".rstrip()


def _own_part(fault: BaseException, folder: Path) -> TracebackType | None:
    """The traceback from its first frame in the folder on; all of it where there is none."""
    frame = fault.__traceback__
    while frame is not None and not _lies_in(frame.tb_frame.f_code.co_filename, folder):
        frame = frame.tb_next
    if frame is not None:
        return frame
    is_wrong_syntax = isinstance(fault, SyntaxError) and _lies_in(fault.filename or "", folder)
    return None if is_wrong_syntax else fault.__traceback__


def _lies_in(name: str, folder: Path) -> bool:
    return Path(name).is_relative_to(folder)
