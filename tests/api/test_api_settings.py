"""The platform API's environment."""

from pathlib import Path

import pytest

from runtime.api.settings import Settings
from runtime.objects.places import FolderPlace, ValkeyPlace
from runtime.parsing import SettingsError
from runtime.usage.places import PostgresPlace, SqlitePlace

QUEUE = {"MOORAGE_QUEUE_URL": "valkey://127.0.0.1:7000"}


def test_only_the_queue_must_be_given() -> None:
    """All else has a default for one machine."""
    assert Settings.from_environment(QUEUE) == Settings(
        state=Path(".moorage"),
        namespace=None,
        tokens=Path(".moorage/tokens.json"),
        queue_url="valkey://127.0.0.1:7000",
        objects=FolderPlace(Path(".moorage/objects")),
        sql=SqlitePlace(Path(".moorage/platform.sqlite")),
        host="127.0.0.1",
        port=8484,
        domain=None,
        public_url="http://127.0.0.1:8484",
        grace_seconds=30,
    )


def test_settings_of_a_cluster_are_read() -> None:
    """As the plan writes them."""
    given = {
        "MOORAGE_HOST": "0.0.0.0",
        "MOORAGE_NAMESPACE": "moorage",
        "MOORAGE_DOMAIN": "acme.example",
        "MOORAGE_TOKENS": "/tokens/tokens.json",
        "MOORAGE_OBJECTS": "valkey",
        "MOORAGE_SQL": "postgresql://moorage@db.example:5432/moorage?sslmode=require",
        "MOORAGE_SQL_PASSWORD_FILE": "/sql-login/password",
    }

    settings = Settings.from_environment(QUEUE | given)

    assert (settings.host, settings.namespace) == ("0.0.0.0", "moorage")
    assert settings.public_url == "https://api.acme.example"
    assert (settings.tokens, settings.objects) == (Path("/tokens/tokens.json"), ValkeyPlace())
    assert settings.sql == PostgresPlace(
        "moorage", "db.example", 5432, "moorage", "require", Path("/sql-login/password")
    )


def test_pod_keeps_usage_only_where_it_was_told_to() -> None:
    """Its own state is gone with it."""
    assert Settings.from_environment(QUEUE | {"MOORAGE_NAMESPACE": "moorage"}).sql is None


def test_absent_queue_is_named() -> None:
    """With how to give it."""
    with pytest.raises(SettingsError, match="MOORAGE_QUEUE_URL is not set"):
        Settings.from_environment({})
