"""The Lua script of each move, made from its file, the keys all share and the port's own figures."""

from importlib.resources import files

from runtime.queue import port

CHANNEL = "moorage:demand"
"""Where an endpoint is named whose demand has outgrown its desired number."""


_SHARED = {"take": ("_keys", "_take"), "finish": ("_keys", "_take")}
"""Files that stand before a move's own; `_keys` before any."""


def read_move(name: str) -> str:
    """The whole script of a move: its first line (flags), the constants, what moves share, the move."""
    folder = files("runtime.queue") / "lua"
    flags, _, body = (folder / f"{name}.lua").read_text().partition("\n")
    shared = [(folder / f"{part}.lua").read_text() for part in _SHARED.get(name, ("_keys",))]
    return "\n".join([flags, _constants(), *shared, body])


def _constants() -> str:
    figures = {
        "MAX_FAULTS": port.MAX_FAULTS,
        "MAX_TAKES": port.MAX_TAKES,
        "RESULT_MS": port.RESULT_SECONDS * 1000,
        "DEAD_MS": port.DEAD_SECONDS * 1000,
        "TOLD_MS": port.TOLD_SECONDS * 1000,
        "HOLD_MS": port.HOLD_SECONDS * 1000,
        "SILENT_MS": port.SILENT_SECONDS * 1000,
        "AWAY_MS": port.AWAY_SECONDS * 1000,
        "NOTE_MS": port.NOTE_SECONDS * 1000,
        "RETURN_MS": port.RETURN_SECONDS * 1000,
        "LEAST_START_MS": int(port.LEAST_START_SECONDS * 1000),
        "MAX_LEVEL": port.MAX_LEVEL,
        "CHANNEL": f"'{CHANNEL}'",
    }
    return "\n".join(f"local {name} = {figure}" for name, figure in figures.items())
