"""What can go wrong with a measurement."""


class BenchError(Exception):
    """The run cannot be made, or does not count; the message says why and how to mend it."""
