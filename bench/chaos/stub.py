"""The model: sleeps as long as it is asked to, journals each run, and fails when two requests overlap.

`python stub.py --port PORT --journal FILE`, standard library only, for it is started often. Like many models
it works on to the end when the one who asked has gone.
"""

import argparse
import asyncio
import json
import os
import secrets
import time
from typing import Any


class Stub:
    """One model process."""

    def __init__(self, port: int, journal: int) -> None:
        self._port = port
        self._journal = journal
        self._is_busy = False

    async def serve(self) -> None:
        """Serve until ended."""
        server = await asyncio.start_server(self._connected, "127.0.0.1", self._port)
        await server.serve_forever()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while (head := await _read_head(reader)) is not None:
                method, headers = head
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                if method == "GET":
                    writer.write(_response(200, b"ok"))
                else:
                    await self._infer(headers.get("x-user-request-id", ""), json.loads(body), writer)
        except (OSError, asyncio.IncompleteReadError):
            return  # its worker has gone
        finally:
            writer.close()

    async def _infer(self, request_id: str, asked: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        run = secrets.token_hex(8)
        if self._is_busy:
            self._note("overlap", request_id, asked["tag"], run)
            writer.write(_response(500, b"overlap"))
            return
        self._is_busy = True
        self._note("begin", request_id, asked["tag"], run)
        try:
            last = await (_stream if asked["chunks"] else _answer)(asked, run, writer)
        finally:
            self._note("end", request_id, asked["tag"], run)
            self._is_busy = False
        # The slot is free once the work is done; by the last byte its worker may already send the next.
        writer.write(last)
        await writer.drain()

    def _note(self, what: str, request_id: str, tag: str, run: str) -> None:
        """One line by one write, so that a SIGKILL leaves it whole or leaves none."""
        said = {"at": time.monotonic(), "what": what, "id": request_id, "tag": tag, "run": run}
        os.write(self._journal, json.dumps({**said, "port": self._port}).encode() + b"\n")


async def _answer(asked: dict[str, Any], run: str, _: asyncio.StreamWriter) -> bytes:
    await asyncio.sleep(asked["sleep_ms"] / 1000)
    said = {"tag": asked["tag"], "run": run, "filler": "y" * asked["padding"]}
    return _response(200, json.dumps(said).encode(), "application/json")


async def _stream(asked: dict[str, Any], run: str, writer: asyncio.StreamWriter) -> bytes:
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
    for number in range(asked["chunks"]):
        await asyncio.sleep(asked["sleep_ms"] / 1000)
        event = f"data: {json.dumps({'tag': asked['tag'], 'run': run, 'number': number})}\n\n".encode()
        writer.write(b"%x\r\n%s\r\n" % (len(event), event))
    return b"0\r\n\r\n"


async def _read_head(reader: asyncio.StreamReader) -> tuple[str, dict[str, str]] | None:
    try:
        raw = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = raw.decode("latin-1").split("\r\n")[:-2]
    pairs = (line.partition(":") for line in lines)
    return first.split(" ")[0], {name.lower(): value.strip() for name, _, value in pairs}


def _response(status: int, body: bytes, content_type: str = "text/plain") -> bytes:
    head = f"HTTP/1.1 {status} X\r\ncontent-type: {content_type}\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


def main() -> None:
    """Serve until ended."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--journal", required=True)
    arguments = parser.parse_args()
    journal = os.open(arguments.journal, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    asyncio.run(Stub(arguments.port, journal).serve())


if __name__ == "__main__":
    main()
