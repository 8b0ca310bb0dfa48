"""Where objects are kept, as a setting says it: a folder, `valkey`, or `s3://bucket/prefix?endpoint=…&region=…`."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from runtime.objects.folder import FolderObjects
from runtime.objects.port import Objects

VALKEY = "valkey"
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,253}[A-Za-z0-9]")


class BadPlaceError(ValueError):
    """The text names no place; the message says how to mend it."""


@dataclass(frozen=True, slots=True)
class FolderPlace:
    """A folder of this machine."""

    folder: Path


@dataclass(frozen=True, slots=True)
class ValkeyPlace:
    """The queue's own server."""


@dataclass(frozen=True, slots=True)
class S3Place:
    """A bucket of any S3."""

    bucket: str
    prefix: str
    """Before every name; empty, or with a slash at its end."""
    endpoint: str | None
    """Address of the store; None for AWS."""
    region: str | None


Place = FolderPlace | ValkeyPlace | S3Place


def parse_place(text: str) -> Place:
    """The place that a setting names.

    Raises:
        BadPlaceError: it names none.
    """
    if text == VALKEY:
        return ValkeyPlace()
    if not text.startswith("s3:"):
        if "://" in text:
            raise BadPlaceError(f"{text.partition('://')[0]}:// is no place. Give a folder, valkey or s3://…")
        return FolderPlace(Path(text))
    parts = urlsplit(text)
    options = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    if unknown := sorted(set(options) - {"endpoint", "region"}):
        raise BadPlaceError(f"{', '.join(unknown)}: no option of s3://. Give endpoint, region, or none")
    if _BUCKET.fullmatch(parts.netloc) is None:
        raise BadPlaceError("s3:// names no bucket. Give s3://bucket/prefix?endpoint=https://…&region=…")
    endpoint = options.get("endpoint")
    if endpoint is not None and urlsplit(endpoint).scheme not in {"http", "https"}:
        raise BadPlaceError(
            "the endpoint of s3:// is no address. Give one such as endpoint=https://s3.example"
        )
    prefix = unquote(parts.path).strip("/")
    return S3Place(parts.netloc, f"{prefix}/" if prefix else "", endpoint, options.get("region"))


@asynccontextmanager
async def open_objects(place: Place, queue_url: str) -> AsyncIterator[Objects]:
    """The store at a place while the block runs. What a place needs is imported only for it.

    Raises:
        BadPlaceError: it needs the extra `cluster`, which is not installed.
    """
    match place:
        case FolderPlace():
            yield FolderObjects(place.folder)
        case ValkeyPlace():
            from runtime.objects.valkey import ValkeyObjects  # noqa: PLC0415 - one machine does without it

            objects = ValkeyObjects.connect(queue_url)
            try:
                yield objects
            finally:
                await objects.close()
        case S3Place():
            from runtime.objects.s3 import S3Objects  # noqa: PLC0415 - one machine does without it

            try:
                bucket = S3Objects.connect(place)
            except ImportError as exc:
                raise BadPlaceError(
                    f"s3:// needs the extra cluster, which is not installed ({exc.name})"
                ) from exc
            try:
                yield bucket
            finally:
                await bucket.close()
