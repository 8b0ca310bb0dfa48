"""What holds an endpoint's replicas up, in words. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

STARTING = "starting"
CANNOT_START = "cannot start: "
"""So begins a cause that waiting alone does not mend."""


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What the supervisor knows of one endpoint that has not enough ready replicas."""

    wanted: int
    """How many the policy asks for."""
    replicas: int
    """How many there are, ready or not, without those that are being stopped."""
    ready: int
    secret: str = ""
    """The fault of a secret without a value."""
    fault: str = ""
    """Why a replica cannot be prepared."""
    doing: str = ""
    """What is being prepared."""
    crashes: Sequence[str] = ()
    """Details of crash-looping replicas."""


def cause_of(now: Circumstances, used: Mapping[str, int], slots: int) -> str:
    """The cause that the user should read first; empty when nothing holds anything up."""
    if now.secret:
        return CANNOT_START + now.secret
    if now.wanted <= now.ready:
        return ""
    if now.fault:
        return CANNOT_START + now.fault
    held_up = now.doing or next(iter(now.crashes), "")
    if held_up:
        return held_up
    no_slot = now.replicas <= now.ready and sum(used.values()) >= slots
    return slots_text(used, slots) if no_slot else STARTING


def slots_text(used: Mapping[str, int], slots: int) -> str:
    """Who has the machine's slots: `no free CPU slot: 2 of 2 in use by embed (1), ocr (1)`."""
    users = ", ".join(f"{name} ({count})" for name, count in sorted(used.items()) if count)
    return f"no free CPU slot: {sum(used.values())} of {slots} in use by {users}"
