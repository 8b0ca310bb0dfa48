"""A small S3 over HTTP on loopback: what the object store asks of one, and faults as a test wants them."""

import hashlib
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

_MOST_PART = 16 * 1024 * 1024


@dataclass
class Bucket:
    """What the store holds."""

    objects: dict[str, bytes] = field(default_factory=dict)
    uploads: dict[str, dict[int, bytes]] = field(default_factory=dict)
    faults: list[int] = field(default_factory=list)
    """Statuses of the next answers."""
    asked: list[str] = field(default_factory=list)
    """Method, and path with query, of each request."""
    largest: int = 0
    """Bytes of the largest body."""
    url: str = ""


@contextmanager
def s3_server() -> Iterator[Bucket]:
    """A store while the block runs; every bucket's name is good."""
    bucket = Bucket()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"bucket": bucket}))
    bucket.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield bucket
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    bucket: Bucket
    protocol_version = "HTTP/1.1"
    timeout = 5

    def log_message(self, *_: object) -> None:
        """Says nothing."""

    def do_PUT(self) -> None:
        """An object, or one part of it."""
        body, query = self._begin()
        if body is None:
            return
        if "uploadId" in query:
            self.bucket.uploads[query["uploadId"]][int(query["partNumber"])] = body
        else:
            self.bucket.objects[self._key()] = body
        self._answer(200, headers={"ETag": f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"'})

    def do_POST(self) -> None:
        """A multipart upload begins or is complete."""
        body, query = self._begin()
        if body is None:
            return
        if "uploads" in query:
            upload = f"upload-{len(self.bucket.uploads) + 1}"
            self.bucket.uploads[upload] = {}
            self._answer(200, _xml("InitiateMultipartUploadResult", "UploadId", upload))
            return
        numbers = [int(number) for number in re.findall(r"<PartNumber>(\d+)</PartNumber>", body.decode())]
        parts = self.bucket.uploads.pop(query["uploadId"])
        self.bucket.objects[self._key()] = b"".join(parts[number] for number in numbers)
        self._answer(200, _xml("CompleteMultipartUploadResult", "Key", self._key()))

    def do_GET(self) -> None:
        """The object."""
        self._show(is_head=False)

    def do_HEAD(self) -> None:
        """Its size."""
        self._show(is_head=True)

    def do_DELETE(self) -> None:
        """An object, or an upload that is given up."""
        body, query = self._begin()
        if body is None:
            return
        if "uploadId" in query:
            self.bucket.uploads.pop(query["uploadId"], None)
        else:
            self.bucket.objects.pop(self._key(), None)
        self._answer(204)

    def _show(self, *, is_head: bool) -> None:
        body, _ = self._begin()
        if body is None:
            return
        found = self.bucket.objects.get(self._key())
        if found is None:
            self._answer(404, b"" if is_head else _xml("Error", "Code", "NoSuchKey"))
        else:
            self._answer(200, found, is_head=is_head)

    def _begin(self) -> tuple[bytes | None, dict[str, str]]:
        """The body and the query; None where a fault was answered instead."""
        body = self._read()
        self.bucket.asked.append(f"{self.command} {self.path}")
        self.bucket.largest = max(self.bucket.largest, len(body))
        query = parse_qs(urlsplit(self.path).query, keep_blank_values=True)
        if self.bucket.faults:
            self._answer(self.bucket.faults.pop(0), _xml("Error", "Code", "Fault"))
            return None, {}
        return body, {name: values[0] for name, values in query.items()}

    def _read(self) -> bytes:
        length = int(self.headers.get("content-length") or 0)
        assert length <= _MOST_PART
        return self.rfile.read(length)

    def _key(self) -> str:
        return unquote(urlsplit(self.path).path).split("/", 2)[2]

    def _answer(
        self, status: int, body: bytes = b"", headers: dict[str, str] | None = None, *, is_head: bool = False
    ) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if not is_head:
            self.wfile.write(body)


def _xml(root: str, name: str, value: str) -> bytes:
    return f"<{root}><{name}>{value}</{name}></{root}>".encode()
