"""Says how a text feels."""

from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

CLEAR = 0.05
"""Below this strength a text counts as neutral."""


class Sentiment:
    """Rules and a lexicon of English words, made for short informal texts."""

    def setup(self) -> None:
        """Load the lexicon."""
        self._analyzer = SentimentIntensityAnalyzer()

    def infer(self, text: str) -> dict[str, float | str]:
        """The mood of a text, and how strong it is from -1 to 1."""
        score = self._analyzer.polarity_scores(text)["compound"]
        label = "positive" if score >= CLEAR else "negative" if score <= -CLEAR else "neutral"
        return {"label": label, "score": score}
