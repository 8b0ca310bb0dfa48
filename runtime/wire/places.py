"""Where the local platform keeps its state, below `.moorage/`."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Places:
    """Paths below the state folder; nothing is created here."""

    state: Path

    @property
    def endpoints(self) -> Path:
        """One `<endpoint>.json` each, an `EndpointRecord`."""
        return self.state / "records" / "endpoints"

    @property
    def templates(self) -> Path:
        """One `<template>.json` each, a `TemplateRecord`."""
        return self.state / "records" / "templates"

    @property
    def account(self) -> Path:
        """The `AccountRecord`."""
        return self.state / "records" / "account.json"

    @property
    def tokens(self) -> Path:
        """Hashes of all tokens, `Tokens`."""
        return self.state / "tokens.json"

    @property
    def token(self) -> Path:
        """The owner's token in clear, mode 0600; it opens every endpoint and `/v1`."""
        return self.state / "token"

    @property
    def granted_tokens(self) -> Path:
        """One file a token of `tokens:` in endpoints.yaml, in clear, mode 0600."""
        return self.state / "tokens"

    @property
    def secrets(self) -> Path:
        """The user's secret values, a YAML mapping, mode 0600."""
        return self.state / "secrets.yaml"

    @property
    def queue(self) -> Path:
        """Valkey's append-only files and log."""
        return self.state / "queue"

    @property
    def objects(self) -> Path:
        """Large bodies and results."""
        return self.state / "objects"

    @property
    def sql(self) -> Path:
        """What the platform keeps of its own, in SQLite: usage."""
        return self.state / "platform.sqlite"

    @property
    def logs(self) -> Path:
        """`gateway.log`, `supervisor.log`, `<endpoint>/<replica>.log`."""
        return self.state / "logs"

    @property
    def run(self) -> Path:
        """Which process is which: pid, start time, ports."""
        return self.state / "run"

    @property
    def venvs(self) -> Path:
        """Virtual environments of `python:` endpoints, named by the hash of their requirements."""
        return self.state / "venvs"
