"""What a plan consists of: frozen values, complete, sorted by name."""

from dataclasses import dataclass

from runtime.wire.records import AccountRecord, EndpointRecord, TemplateRecord


@dataclass(frozen=True, slots=True)
class Records:
    """All that the running platform is told, each list sorted by name."""

    account: AccountRecord
    endpoints: tuple[EndpointRecord, ...]
    templates: tuple[TemplateRecord, ...]
