"""Secrets on this machine."""

from pathlib import Path

import pytest

from runtime.local.errors import SecretError
from runtime.local.secret_values import SecretValues, redacted, variable_of


def write(path: Path, text: str, mode: int = 0o600) -> Path:
    """A file of values."""
    path.write_text(text)
    path.chmod(mode)
    return path


def test_values_come_from_the_file(tmp_path: Path) -> None:
    """By name, under the variable that asks."""
    values = SecretValues(write(tmp_path / "secrets.yaml", "db-url: postgres://x\n"), {})

    assert values.fill({"DATABASE_URL": "db-url"}) == {"DATABASE_URL": "postgres://x"}


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    """`db-url` is MOORAGE_SECRET_DB_URL."""
    path = write(tmp_path / "secrets.yaml", "db-url: old\n")

    assert variable_of("db-url") == "MOORAGE_SECRET_DB_URL"
    assert SecretValues(path, {"MOORAGE_SECRET_DB_URL": "new"}).get("db-url") == "new"


def test_an_edit_of_the_file_holds_at_once(tmp_path: Path) -> None:
    """Nobody restarts anything."""
    path = write(tmp_path / "secrets.yaml", "a: one\n")
    values = SecretValues(path, {})
    values.get("a")

    write(path, "a: another\n")

    assert values.get("a") == "another"


@pytest.mark.parametrize(
    ("text", "mode", "told"),
    [
        ("other: x\n", 0o600, "secret db-url is missing: add `db-url: <value>`"),
        ("db-url: s3cret\n", 0o640, "mode 0640"),
        ("db-url: 12345\n", 0o600, "must map names of secrets to texts"),
        ("- s3cret\n", 0o600, "must map names of secrets to texts"),
        ("db-url: [s3cret\n", 0o600, "cannot be read as YAML"),
    ],
)
def test_faults_are_named_and_show_no_value(tmp_path: Path, text: str, mode: int, told: str) -> None:
    """Each with what mends it."""
    values = SecretValues(write(tmp_path / "secrets.yaml", text, mode), {})

    with pytest.raises(SecretError) as caught:
        values.get("db-url")

    assert told in str(caught.value)
    assert "s3cret" not in str(caught.value)
    assert "12345" not in str(caught.value)


def test_values_are_blotted_out_longest_first() -> None:
    """A value within another leaves nothing of that behind; short ones are left."""
    values = {"A": "pass", "B": "password", "C": "x"}

    assert redacted("password pass x", values) == "*** *** x"
