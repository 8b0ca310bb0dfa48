"""Which records a process follows: files of one machine, or ConfigMaps of a cluster."""

from pathlib import Path

from structlog.typing import FilteringBoundLogger

from runtime.gateway.cluster_records import ClusterSource, follow_namespace
from runtime.gateway.record_files import FolderSource, TokenFile
from runtime.gateway.registry import Source
from runtime.wire.places import Places


def make_source(state: Path, namespace: str | None, tokens: Path, log: FilteringBoundLogger) -> Source:
    """The records of a namespace where one is given, else those below the state folder."""
    if namespace is None:
        return FolderSource(Places(state), tokens, log)
    return ClusterSource(follow_namespace(namespace, log), TokenFile(tokens, log))
