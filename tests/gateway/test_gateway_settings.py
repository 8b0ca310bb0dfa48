"""The gateway's environment."""

from pathlib import Path

import pytest

from runtime.gateway.room import Most
from runtime.gateway.settings import Settings
from runtime.objects.places import FolderPlace, ValkeyPlace
from runtime.parsing import SettingsError
from runtime.usage.places import SqlitePlace

QUEUE = {"MOORAGE_QUEUE_URL": "valkey://127.0.0.1:7000"}


def test_only_the_queue_must_be_given() -> None:
    """All else has a default for one machine."""
    assert Settings.from_environment(QUEUE) == Settings(
        state=Path(".moorage"),
        namespace=None,
        tokens=Path(".moorage/tokens.json"),
        queue_url="valkey://127.0.0.1:7000",
        host="127.0.0.1",
        port=8484,
        all_port=None,
        domain=None,
        inner_host=None,
        api_url=None,
        inner_port=0,
        public_url="http://127.0.0.1:8484",
        grace_seconds=30,
        is_port_shared=False,
        proxies=0,
        objects=FolderPlace(Path(".moorage/objects")),
        sql=SqlitePlace(Path(".moorage/platform.sqlite")),
        most=Most(clients=2000, body_mib=512, store_mib=20480),
    )


def test_every_setting_is_read() -> None:
    """The public address loses a final slash, for paths are put behind it."""
    given = {
        "MOORAGE_STATE": "/var/moorage",
        "MOORAGE_HOST": "0.0.0.0",
        "MOORAGE_PORT": "80",
        "MOORAGE_INNER_PORT": "81",
        "MOORAGE_PUBLIC_URL": "https://api.acme.example/",
        "MOORAGE_GRACE_SECONDS": "900",
        "MOORAGE_REUSE_PORT": "1",
        "MOORAGE_MOST_CLIENTS": "7",
        "MOORAGE_PROXIES": "2",
        "MOORAGE_MOST_BODY_MIB": "8",
        "MOORAGE_MOST_STORE_MIB": "9",
    }

    settings = Settings.from_environment(QUEUE | given)

    assert settings.state == Path("/var/moorage")
    assert (settings.host, settings.port, settings.inner_port) == ("0.0.0.0", 80, 81)
    assert settings.public_url == "https://api.acme.example"
    assert settings.grace_seconds == 900
    assert settings.is_port_shared
    assert settings.proxies == 2
    assert settings.most == Most(clients=7, body_mib=8, store_mib=9)


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ({}, "MOORAGE_QUEUE_URL is not set"),
        (QUEUE | {"MOORAGE_ALL_PORT": "70000"}, "MOORAGE_ALL_PORT: 70000 is no port"),
        (QUEUE | {"MOORAGE_OBJECTS": "s3://"}, "MOORAGE_OBJECTS: s3:// names no bucket"),
        (QUEUE | {"MOORAGE_DOMAIN": "acme/x"}, "MOORAGE_DOMAIN: 'acme/x' is no domain"),
        (QUEUE | {"MOORAGE_PUBLIC_URL": "acme.example"}, "MOORAGE_PUBLIC_URL: 'acme.example' is no address"),
        (QUEUE | {"MOORAGE_PORT": "http"}, "MOORAGE_PORT: 'http' is no whole number"),
        (QUEUE | {"MOORAGE_INNER_PORT": "70000"}, "MOORAGE_INNER_PORT: 70000 is no port"),
        (QUEUE | {"MOORAGE_GRACE_SECONDS": "-1"}, "MOORAGE_GRACE_SECONDS: '-1' is no whole number"),
    ],
)
def test_wrong_setting_is_named(given: dict[str, str], fault: str) -> None:
    """With how to mend it."""
    with pytest.raises(SettingsError, match=fault):
        Settings.from_environment(given)


def test_one_port_without_a_domain_shows_every_endpoint() -> None:
    """One machine."""
    assert Settings.from_environment(QUEUE).port_ingress == "all"


@pytest.mark.parametrize("given", [{"MOORAGE_DOMAIN": "acme.example"}, {"MOORAGE_ALL_PORT": "8485"}])
def test_port_that_may_face_the_internet_shows_public_endpoints_only(given: dict[str, str]) -> None:
    """A second port that was forgotten hides private endpoints, it does not show them."""
    assert Settings.from_environment(QUEUE | given).port_ingress == "public"


def test_domain_is_read_as_hosts_are_compared() -> None:
    """Lower case, no dots around it; the platform's address follows from it."""
    settings = Settings.from_environment(QUEUE | {"MOORAGE_DOMAIN": "Moorage.Acme.Example."})

    assert settings.domain == "moorage.acme.example"
    assert settings.public_url == "https://api.moorage.acme.example"


def test_settings_of_a_cluster_are_read() -> None:
    """As the plan writes them."""
    given = {
        "MOORAGE_HOST": "0.0.0.0",
        "MOORAGE_ALL_PORT": "8485",
        "MOORAGE_INNER_PORT": "8486",
        "MOORAGE_INNER_HOST": "10.0.0.7",
        "MOORAGE_NAMESPACE": "moorage",
        "MOORAGE_TOKENS": "/tokens/tokens.json",
        "MOORAGE_OBJECTS": "valkey",
        "MOORAGE_API_URL": "http://api.moorage.svc:8484/",
    }

    settings = Settings.from_environment(QUEUE | given)

    assert (settings.all_port, settings.inner_port, settings.inner_host) == (8485, 8486, "10.0.0.7")
    assert (settings.namespace, settings.tokens) == ("moorage", Path("/tokens/tokens.json"))
    assert settings.objects == ValkeyPlace()
    assert settings.api_url == "http://api.moorage.svc:8484"


@pytest.mark.parametrize(
    "elsewhere", [{"MOORAGE_API_URL": "http://api:8484"}, {"MOORAGE_NAMESPACE": "moorage"}]
)
def test_usage_is_kept_by_the_gateway_of_one_machine_only(elsewhere: dict[str, str]) -> None:
    """Else the API keeps it."""
    assert Settings.from_environment(QUEUE | elsewhere).sql is None
