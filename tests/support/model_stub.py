"""A model of a few lines: sleeps, notes whom it served and fails when two requests overlap.

`python model_stub.py --port PORT --journal FILE [--sleep SECONDS]`, standard library only.
"""

import argparse
import os
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Stub(BaseHTTPRequestHandler):
    """Answers GET /healthcheck, and any POST with its own body after a sleep."""

    protocol_version = "HTTP/1.1"
    lock = threading.Lock()
    sleep = 0.0
    journal = ""

    def do_GET(self) -> None:
        """The health path."""
        self._answer(200, b"ok")

    def do_POST(self) -> None:
        """One inference."""
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        if not self.lock.acquire(blocking=False):
            self._note("overlap")
            self._answer(500, b"overlap")
            return
        try:
            self._note(body.decode("latin-1")[:40])
            if body == b"die":
                os._exit(1)
            time.sleep(float(self.headers.get("x-sleep", self.sleep)))
        finally:
            self.lock.release()
        self._answer(200, body)

    def _note(self, text: str) -> None:
        with open(self.journal, "a", encoding="latin-1") as file:  # noqa: PTH123 - O_APPEND, one write a line
            file.write(f"{os.getpid()} {text}\n")

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        """Say nothing."""


def main() -> None:
    """Serve until ended."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--journal", required=True)
    parser.add_argument("--sleep", type=float, default=0.0)
    arguments = parser.parse_args()
    Stub.sleep, Stub.journal = arguments.sleep, arguments.journal
    ThreadingHTTPServer(("127.0.0.1", arguments.port), Stub).serve_forever()


if __name__ == "__main__":
    main()
