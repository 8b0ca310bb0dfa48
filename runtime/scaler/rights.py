"""What a worker's Valkey user may do: the moves of a worker on its own endpoint's keys. Pure."""

import re

from runtime.queue.moves import CHANNEL, read_move
from runtime.wire.queue_users import worker_password

WORKER_MOVES = ("join", "beat", "take", "renew", "finish", "fail", "give_back", "leave")
CONNECTION_COMMANDS = ("auth", "hello", "ping", "select", "reset", "quit", "client|setinfo", "client|setname")
MOVE_COMMANDS = ("evalsha", "script|load", "blpop")
OBJECT_COMMANDS = ("get", "set", "getrange", "setrange", "append", "strlen", "exists", "del", "expire", "ttl")
"""Large bodies and answers, where they are kept in the queue's own server."""
_CALL = re.compile(r"redis\.call\('([A-Z]+)'")


def worker_rights(key: str, endpoint: str) -> list[str]:
    """The rules of `ACL SETUSER` for an endpoint's worker; the same every time.

    A script's commands are checked as if its caller had sent them, so they are read out of the moves themselves.
    """
    commands = sorted({*CONNECTION_COMMANDS, *MOVE_COMMANDS, *OBJECT_COMMANDS, *_script_commands()})
    return [
        "reset",
        "on",
        f">{worker_password(key, endpoint)}",
        f"~moorage:{{{endpoint}}}",
        f"~moorage:{{{endpoint}}}:*",
        f"&{CHANNEL}",
        *(f"+{command}" for command in commands),
    ]


def _script_commands() -> set[str]:
    return {name.lower() for move in WORKER_MOVES for name in _CALL.findall(read_move(move))}
