"""Writes down speech while it listens."""

import io
import wave
from collections.abc import Iterator
from typing import TypedDict

from pocketsphinx import Decoder, Endpointer

from runtime.replica.errors import InputError
from runtime.replica.media import Audio

RATE = 16_000
"""Samples a second that the model was trained on."""

PARTIAL_FRAMES = 10
"""A guess is worth sending after this many frames of 30 ms."""


class Piece(TypedDict):
    """What is understood so far of one utterance; it is certain once `final`."""

    text: str
    start: float
    """Seconds from the beginning of the sound."""
    end: float
    final: bool


class Transcribe:
    """PocketSphinx with its model of US English."""

    def setup(self) -> None:
        """Load acoustic model, dictionary and language model."""
        self._decoder = Decoder(samprate=RATE, loglevel="FATAL")

    def infer(self, audio: Audio) -> Iterator[Piece]:
        """A WAV file (16 bit, 16 kHz, mono) as text: guesses while it decodes, then each utterance."""
        samples = read_samples(audio.to_bytes())
        endpointer = Endpointer(sample_rate=RATE)
        size = endpointer.frame_bytes
        frames = [samples[at : at + size] for at in range(0, len(samples), size)]
        yield from self._listen(endpointer, frames)

    def _listen(self, endpointer: Endpointer, frames: list[bytes]) -> Iterator[Piece]:
        speaking, last = False, ""
        try:
            for number, frame in enumerate(frames):
                is_last = number == len(frames) - 1
                speech = endpointer.end_stream(frame) if is_last else endpointer.process(frame)
                if speech is None:
                    continue
                if not speaking:
                    speaking, last = True, ""
                    self._decoder.start_utt()
                self._decoder.process_raw(speech)
                if is_last or not endpointer.in_speech:
                    speaking = False
                    self._decoder.end_utt()
                    yield self._piece(endpointer.speech_start, endpointer.speech_end, final=True)
                elif number % PARTIAL_FRAMES == 0 and self._text() != last:
                    last = self._text()
                    yield self._piece(endpointer.speech_start, number * endpointer.frame_length, final=False)
        finally:
            if speaking:
                self._decoder.end_utt()

    def _piece(self, start: float, end: float, *, final: bool) -> Piece:
        return {"text": self._text(), "start": round(start, 2), "end": round(end, 2), "final": final}

    def _text(self) -> str:
        guess = self._decoder.hyp()
        return guess.hypstr if guess else ""


def read_samples(content: bytes) -> bytes:
    """The samples of a WAV file.

    Raises:
        InputError: It is no such file, or has another rate, width or number of channels.
    """
    try:
        with wave.open(io.BytesIO(content)) as sound:
            found = (sound.getframerate(), sound.getsampwidth(), sound.getnchannels())
            samples = sound.readframes(sound.getnframes())
    except (wave.Error, EOFError) as exc:
        raise InputError(f"not a WAV file: {exc}") from exc
    if found != (RATE, 2, 1):
        raise InputError(
            f"the sound has {found[0]} Hz, {found[1] * 8} bit, {found[2]} channels. "
            f"Convert it to {RATE} Hz, 16 bit, mono."
        )
    return samples
