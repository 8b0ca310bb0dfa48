"""What a stack may at most cost, and whether its data is protected: what the policy pack holds it to. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bounds:
    """A plan's bounds; the program exports them as `bounds`, where the pack of `pulumi preview` finds them."""

    most_dollars_per_hour: float
    """With every endpoint at its most replicas, and the platform; what has no price is left out."""
    ceiling_dollars_per_hour: float | None
    """Most that is allowed; None: there is no bound."""
    is_protected: bool
    """Whether what holds data is to be protected."""
