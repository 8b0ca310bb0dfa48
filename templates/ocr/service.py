"""Reads the text in a picture."""

from typing import Any

import numpy as np
from PIL import Image as Pil
from PIL import ImageDraw, ImageOps
from pydantic import BaseModel
from rapidocr_onnxruntime import RapidOCR

from runtime.replica.media import Image

RED = (220, 38, 38)

Box = list[tuple[float, float]]
"""Four corners in pixels, clockwise from the top left of the text."""


class Reading(BaseModel):
    """The lines found, from top to bottom: `text[i]` stands in `boxes[i]`."""

    text: list[str]
    boxes: list[Box]
    scores: list[float]
    """How sure the model is of each line, 0 to 1."""
    image: Image
    """The picture with the boxes drawn on it."""


class Ocr:
    """PP-OCRv4: finds lines of English and Chinese text and reads them."""

    def setup(self) -> None:
        """Load the three models: detection, direction, recognition."""
        self._engine = RapidOCR()

    def infer(self, image: Image) -> Reading:
        """The text of a picture and where it stands."""
        picture = ImageOps.exif_transpose(image.to_pil()).convert("RGB")
        blue_green_red = np.asarray(picture)[:, :, ::-1]
        found: list[Any] = self._engine(blue_green_red)[0] or []
        boxes: list[Box] = [[(float(x), float(y)) for x, y in box] for box, _, _ in found]
        return Reading(
            text=[text for _, text, _ in found],
            boxes=boxes,
            scores=[float(score) for _, _, score in found],
            image=Image.from_pil(draw_boxes(picture, boxes), format="PNG"),
        )


def draw_boxes(picture: Pil.Image, boxes: list[Box]) -> Pil.Image:
    """A copy of the picture with a red line around each box."""
    drawn = picture.copy()
    pen = ImageDraw.Draw(drawn)
    width = max(2, min(picture.size) // 300)
    for box in boxes:
        pen.line([*box, box[0]], fill=RED, width=width, joint="curve")
    return drawn
