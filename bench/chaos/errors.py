"""What can go wrong with a run."""


class ChaosError(Exception):
    """The run cannot be made; the message says why."""
