"""Reads the records that the plan wrote, again whenever one of them changed."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import ValidationError

from runtime.local.errors import LocalError
from runtime.wire import AccountRecord, EndpointRecord
from runtime.wire.places import Places

Signature = tuple[tuple[str, int, int, int], ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """What should run."""

    account: AccountRecord
    endpoints: Mapping[str, EndpointRecord] = field(default_factory=dict)


def read_plan(places: Places) -> Plan:
    """All records.

    Raises:
        LocalError: one cannot be read.
    """
    try:
        account = AccountRecord.model_validate_json(places.account.read_text())
        paths = sorted(places.endpoints.glob("*.json"))
        records = [EndpointRecord.model_validate_json(path.read_text()) for path in paths]
    except (OSError, ValidationError) as exc:
        raise LocalError(f"the records under {places.endpoints.parent} cannot be read: {exc}") from exc
    return Plan(account, {record.name: record for record in records})


def signature(places: Places) -> Signature:
    """Differs whenever a record was written, added or removed."""
    found = []
    for path in (places.account, *sorted(places.endpoints.glob("*.json"))):
        try:
            stat = path.stat()
        except OSError:
            continue
        found.append((path.name, stat.st_ino, stat.st_mtime_ns, stat.st_size))
    return tuple(found)
