"""The records of endpoints and account, followed in their ConfigMaps."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field

from pydantic import ValidationError
from structlog.typing import FilteringBoundLogger

from runtime.cluster.calls import ApiClient, Object
from runtime.cluster.paths import config_maps
from runtime.cluster.watching import Changes, Pace, follow_objects
from runtime.wire import AccountRecord, EndpointRecord
from runtime.wire.cluster import LABEL_RECORD, RECORD_KEY
from runtime.wire.names import record_name


@dataclass(frozen=True)
class ClusterRecords:
    """Every record at one moment."""

    endpoints: Mapping[str, EndpointRecord]
    """By the endpoint's name."""
    account: AccountRecord | None


async def follow_records(
    client: ApiClient, namespace: str, log: FilteringBoundLogger, *, pace: Pace | None = None
) -> AsyncGenerator[ClusterRecords, None]:
    """All records, then all of them again each time one has changed. Never ends.

    While the API is away, and for a ConfigMap that cannot be read, the last good records stand.
    """
    known = _Known(log)
    follow = follow_objects(client, config_maps(namespace), log, label=LABEL_RECORD, pace=pace)
    last: ClusterRecords | None = None
    async with aclosing(follow) as batches:
        async for changes in batches:
            known.take(changes)
            records = known.records()
            if records != last:
                last = records
                yield records


@dataclass
class _Known:
    """The last good record of each ConfigMap."""

    log: FilteringBoundLogger
    good: dict[str, EndpointRecord | AccountRecord] = field(default_factory=dict)
    """By the ConfigMap's name."""
    texts: dict[str, str] = field(default_factory=dict)
    """What each ConfigMap last held, good or not."""

    def take(self, changes: Changes) -> None:
        """Note what has changed."""
        for found in changes.present:
            self._read(found)
        gone = set(changes.gone)
        if changes.is_whole:
            gone |= set(self.texts) - {found["metadata"]["name"] for found in changes.present}
        for name in gone:
            self.good.pop(name, None)
            self.texts.pop(name, None)

    def records(self) -> ClusterRecords:
        """Everything that is known to be good."""
        endpoints = {
            record.name: record for record in self.good.values() if isinstance(record, EndpointRecord)
        }
        accounts = (record for record in self.good.values() if isinstance(record, AccountRecord))
        return ClusterRecords(endpoints, next(accounts, None))

    def _read(self, found: Object) -> None:
        name = found["metadata"]["name"]
        text = (found.get("data") or {}).get(RECORD_KEY, "")
        if self.texts.get(name) == text:
            return
        self.texts[name] = text
        try:
            self.good[name] = _parse(found, text)
        except ValueError as exc:
            fault = _fault(exc)
            self.log.warning("record cannot be read", config_map=name, fault=fault, kept=name in self.good)


def _parse(found: Object, text: str) -> EndpointRecord | AccountRecord:
    kind = found["metadata"].get("labels", {}).get(LABEL_RECORD)
    if kind == "account":
        return AccountRecord.model_validate_json(text)
    record = EndpointRecord.model_validate_json(text)
    if found["metadata"]["name"] != record_name(record.name):
        raise ValueError(f"it holds the record of another endpoint: {record.name}")
    return record


def _fault(exc: ValueError) -> str:
    """What is wrong, without the values: a record holds its endpoint's environment."""
    if isinstance(exc, ValidationError):
        return "; ".join(
            f"{'.'.join(map(str, error['loc']))}: {error['msg']}"
            for error in exc.errors(include_input=False, include_url=False, include_context=False)
        )
    return str(exc)
