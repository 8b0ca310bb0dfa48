"""Pictures, sound and films as inputs and outputs: `{"data": "<base64>"}` or `{"data": {"url": "…"}}`.

```python
from runtime.replica.media import Image

class Service:
    def infer(self, image: Image) -> Image:
        return Image.from_pil(image.to_pil().rotate(90))
```
"""

import base64
import binascii
import importlib
import io
from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainSerializer, WithJsonSchema

from runtime.replica.errors import InputError
from runtime.replica.fetch import fetch


class MediaUrl(BaseModel):
    """Where the content lies; it is read only when the service asks for it."""

    url: str


def _decode(value: object) -> object:
    """Base64 text as bytes; line breaks and a `data:…;base64,` prefix are let through."""
    if not isinstance(value, str):
        return value
    text = value.partition(";base64,")[2] if value.startswith("data:") else value
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as exc:
        raise ValueError("not base64") from exc


def _encode(value: bytes) -> str:
    return base64.b64encode(value).decode()


Base64 = Annotated[
    bytes,
    BeforeValidator(_decode),
    PlainSerializer(_encode, when_used="json"),
    WithJsonSchema({"type": "string", "contentEncoding": "base64"}),
]
"""Bytes here, standard base64 in JSON."""


class Media(BaseModel):
    """Content, or where to find it."""

    model_config = ConfigDict(frozen=True)

    data: MediaUrl | Base64

    def to_bytes(self) -> bytes:
        """The content; it is fetched now if a URL was given.

        Raises:
            FetchError: The URL may not be read, or could not be. Left uncaught, it answers 422.
        """
        return fetch(self.data.url) if isinstance(self.data, MediaUrl) else self.data

    @classmethod
    def from_bytes(cls, content: bytes) -> Self:
        """Media with this content."""
        return cls(data=content)


class Image(Media):
    """A picture file; `to_pil` and `from_pil` need Pillow among the service's requirements."""

    def to_pil(self) -> Any:
        """The picture as Pillow's `Image`, decoded.

        Raises:
            InputError: The content is not a picture. Left uncaught, it answers 422.
        """
        pillow: Any = importlib.import_module("PIL.Image")  # only services that use it need it
        content = io.BytesIO(self.to_bytes())
        try:
            picture = pillow.open(content)
            picture.load()
        except (OSError, SyntaxError, ValueError, pillow.DecompressionBombError) as exc:
            raise InputError(f"not a picture: {exc}") from exc
        return picture

    @classmethod
    def from_pil(cls, picture: Any, format: str = "JPEG") -> Self:  # noqa: A002 - Pillow's word
        """The picture as a file in Pillow's `format`."""
        file = io.BytesIO()
        picture.save(file, format=format)
        return cls.from_bytes(file.getvalue())


class Audio(Media):
    """A sound file."""


class Video(Media):
    """A film file."""
