"""Pictures and sound as values, and URLs that may and may not be read."""

import http.server
import threading
from collections.abc import Iterator

import pytest
from pydantic import BaseModel, ValidationError

from runtime.replica.errors import InputError
from runtime.replica.fetch import FetchError, fetch, is_public
from runtime.replica.media import Audio, Image, MediaUrl

PUBLIC = ["8.8.8.8", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]
PRIVATE = [
    "127.0.0.1",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",  # carrier-grade NAT
    "0.0.0.0",
    "224.0.0.1",
    "169.254.169.254",  # the cloud's metadata
    "169.254.170.23",  # the pod identity agent
    "::1",
    "fe80::1%eth0",
    "fd00:ec2::23",
    "::ffff:169.254.169.254",
    "64:ff9b::a9fe:a9fe",  # the metadata address behind NAT64
    "2002:a9fe:a9fe::1",  # and behind 6to4
]


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_public(address: str) -> None:
    """Also where IPv6 wraps IPv4."""
    assert is_public(address)


@pytest.mark.parametrize("address", PRIVATE)
def test_private_addresses_are_not(address: str) -> None:
    """In every encoding."""
    assert not is_public(address)


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "ftp://example.org/x",
        "http://",
        "http://user@example.org/",
        "http://[::1",
        "http://127.0.0.1:1/",
        "http://2130706433/",  # 127.0.0.1 as a number
        "http://localhost:1/",
        "no url",
    ],
)
def test_urls_that_are_not_plain_and_public_are_refused(url: str) -> None:
    """Before any connection is made."""
    with pytest.raises(FetchError):
        fetch(url)


class Pages(http.server.BaseHTTPRequestHandler):
    """`/ok` has content, `/away` redirects."""

    def do_GET(self) -> None:
        """Answer."""
        self.send_response(200 if self.path == "/ok?x=1" else 302)
        self.send_header("Location", "/ok?x=1")
        self.end_headers()
        self.wfile.write(b"content")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A server on the loopback, which the environment allows for once."""
    monkeypatch.setenv("MOORAGE_MEDIA_PRIVATE", "1")
    with http.server.HTTPServer(("127.0.0.1", 0), Pages) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_url_is_read_when_the_content_is_asked_for(site: str) -> None:
    """And not before."""
    image = Image(data=MediaUrl(url=site + "/ok?x=1"))

    assert image.to_bytes() == b"content"


def test_a_redirect_is_not_followed(site: str) -> None:
    """It could lead into the private network."""
    with pytest.raises(FetchError, match="answered 302"):
        fetch(site + "/away")


def test_too_large_a_content_is_refused(site: str) -> None:
    """The bound holds while reading, whatever the server announces."""
    with pytest.raises(FetchError, match="more than 3 bytes"):
        fetch(site + "/ok?x=1", max_bytes=3)


def test_too_slow_a_content_is_refused(site: str) -> None:
    """The deadline is for the whole of it."""
    with pytest.raises(FetchError, match="took too long"):
        fetch(site + "/ok?x=1", seconds=0.0)


class Form(BaseModel):
    """What a service takes."""

    sound: Audio


@pytest.mark.parametrize("text", ["AAEC", "AA\nEC\n", "data:audio/wav;base64,AAEC"])
def test_base64_comes_in_as_bytes_and_goes_out_as_base64(text: str) -> None:
    """With line breaks or a data: prefix too."""
    form = Form.model_validate({"sound": {"data": text}})

    assert form.sound.to_bytes() == b"\x00\x01\x02"
    assert form.model_dump(mode="json") == {"sound": {"data": "AAEC"}}


@pytest.mark.parametrize("sound", ["AAEC", {"data": "???"}, {"data": 5}, {"data": {"uri": "x"}}, {}])
def test_other_shapes_are_refused(sound: object) -> None:
    """A bare string above all."""
    with pytest.raises(ValidationError):
        Form.model_validate({"sound": sound})


def test_a_url_stays_a_url_in_json() -> None:
    """A service may hand it on unread."""
    form = Form.model_validate({"sound": {"data": {"url": "https://example.org/a.wav"}}})

    assert form.model_dump(mode="json") == {"sound": {"data": {"url": "https://example.org/a.wav"}}}


def test_a_refusal_is_the_callers_fault() -> None:
    """So it is answered 422."""
    assert issubclass(FetchError, InputError)
