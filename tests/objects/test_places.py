"""Where objects are kept, as a setting says it."""

import sys
from pathlib import Path

import pytest

from runtime.objects.places import BadPlaceError, FolderPlace, S3Place, ValkeyPlace, open_objects, parse_place


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("/var/moorage/objects", FolderPlace(Path("/var/moorage/objects"))),
        ("objects", FolderPlace(Path("objects"))),
        ("valkey", ValkeyPlace()),
        ("s3://acme", S3Place("acme", "", None, None)),
        ("s3://acme/a/b/", S3Place("acme", "a/b/", None, None)),
        (
            "s3://acme/moorage?endpoint=https://s3.example:9000&region=eu-central-1",
            S3Place("acme", "moorage/", "https://s3.example:9000", "eu-central-1"),
        ),
        (
            "s3://acme/?endpoint=https%3A%2F%2Fs3.example&region=eu",
            S3Place("acme", "", "https://s3.example", "eu"),
        ),
    ],
)
def test_place_is_read(text: str, place: object) -> None:
    """Each kind."""
    assert parse_place(text) == place


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("s3://", "names no bucket"),
        ("s3:///prefix", "names no bucket"),
        ("s3://user:secret@acme/x", "names no bucket"),
        ("s3://acme?zone=1", "zone: no option of s3://"),
        ("s3://acme?endpoint=s3.example", "no address"),
        ("gs://acme", "gs:// is no place"),
        ("https://key:secret@s3.example", "https:// is no place"),
    ],
)
def test_wrong_place_is_told_with_its_mend_and_without_secrets(text: str, fault: str) -> None:
    """It may stand in a log."""
    with pytest.raises(BadPlaceError, match=fault) as caught:
        parse_place(text)

    assert "secret" not in str(caught.value)


async def test_absent_boto3_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the extra that has it."""
    monkeypatch.setitem(sys.modules, "boto3", None)

    with pytest.raises(BadPlaceError, match="extra cluster"):
        async with open_objects(S3Place("acme", "", None, None), "valkey://127.0.0.1:1"):
            pass
