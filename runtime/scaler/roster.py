"""Which endpoints the scaler looks after: those with a record, and those that are leaving."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from runtime.wire import EndpointRecord, Scaling

LEAVING_START_SECONDS = 600.0
"""Longest start of an endpoint whose record nobody knows any more."""


@dataclass(frozen=True, slots=True)
class Charge:
    """One endpoint to look after."""

    name: str
    scaling: Scaling
    start_seconds: float
    revision: str
    is_leaving: bool = False
    """Its record is gone: what it has accepted is still served, by as few as that takes."""
    env: Mapping[str, str] = field(default_factory=dict)
    """Its variables; their values are shown nowhere."""


class Roster:
    """Every charge by name."""

    def __init__(self) -> None:
        self._charges: dict[str, Charge] = {}
        self.is_known = False
        """Whether the records were read once."""

    def take(self, records: Mapping[str, EndpointRecord]) -> None:
        """Take over all records; an endpoint that has none any more is leaving."""
        for name in set(self._charges) - set(records):
            self._charges[name] = _leaving(self._charges[name])
        self._charges |= {name: _charge(record) for name, record in records.items()}
        self.is_known = True

    def adopt(self, deployed: Collection[str]) -> None:
        """Look after Deployments too whose record went before this process came."""
        for name in set(deployed) - set(self._charges):
            unknown = Charge(name, Scaling(min=0, max=1, timeout=0), LEAVING_START_SECONDS, "")
            self._charges[name] = _leaving(unknown)

    def forget(self, name: str) -> None:
        """It has left."""
        self._charges.pop(name, None)

    def find(self, name: str) -> Charge | None:
        """An endpoint's charge; None when it is not ours."""
        return self._charges.get(name)

    def names(self) -> list[str]:
        """All of them, sorted."""
        return sorted(self._charges)


def _charge(record: EndpointRecord) -> Charge:
    return Charge(record.name, record.scaling, record.limits.start_seconds, record.revision, env=record.env)


def _leaving(charge: Charge) -> Charge:
    last = Scaling(min=0, max=max(1, charge.scaling.max), timeout=0)
    return Charge(charge.name, last, charge.start_seconds, charge.revision, is_leaving=True, env=charge.env)
