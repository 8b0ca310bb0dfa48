"""The scaler's environment."""

import pytest

from runtime.parsing import SettingsError
from runtime.scaler.settings import Settings

LEAST = {
    "MOORAGE_QUEUE_URL": "valkey://queue:6379",
    "MOORAGE_NAMESPACE": "moorage",
    "MOORAGE_ENDPOINT_NAMESPACES": "moorage-baseline,moorage-restricted",
    "MOORAGE_POD": "scaler-1",
}


def test_defaults() -> None:
    """As the plan relies on them."""
    settings = Settings.from_environment(LEAST)

    assert settings == Settings(
        queue_url="valkey://queue:6379",
        namespace="moorage",
        endpoint_namespaces=("moorage-baseline", "moorage-restricted"),
        identity="scaler-1",
        lease="scaler",
        is_keda=False,
        keda_port=9090,
        host="0.0.0.0",
        port=8487,
        worker_key="",
        keeps_users=True,
        context=None,
    )


@pytest.mark.parametrize("name", sorted(LEAST))
def test_missing_setting_is_named(name: str) -> None:
    """An empty one counts as missing."""
    with pytest.raises(SettingsError, match=name):
        Settings.from_environment(LEAST | {name: ""})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MOORAGE_SCALER", "hpa"),
        ("MOORAGE_QUEUE_USERS", "none"),
        ("MOORAGE_PORT", "http"),
        ("MOORAGE_KEDA_PORT", "70000"),
        ("MOORAGE_ENDPOINT_NAMESPACES", " , "),
    ],
)
def test_wrong_setting_is_named(name: str, value: str) -> None:
    """With what it should be."""
    with pytest.raises(SettingsError, match=name):
        Settings.from_environment(LEAST | {name: value})


def test_managed_queue_keeps_its_own_users() -> None:
    """Whoever made the queue made them."""
    settings = Settings.from_environment(LEAST | {"MOORAGE_QUEUE_USERS": "managed"})

    assert not settings.keeps_users


def test_name_of_no_object_is_refused() -> None:
    """It would go into a URL's path."""
    with pytest.raises(SettingsError, match=r"\.\./x"):
        Settings.from_environment(LEAST | {"MOORAGE_NAMESPACE": "../x"})
