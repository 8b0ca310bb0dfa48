"""Where the packages of the root file system come from."""

from cluster.rootfs import sources


def test_packages_come_from_where_this_machine_has_them() -> None:
    """Debian's own suites of the one release, as lines of a sources.list; other archives have other keys."""
    indexes = (
        "http://mirror.test/debian/ bookworm main",
        "http://mirror.test/security/ bookworm-security main",
        "http://packages.test/ cloud-sdk-bookworm main",
        "http://packages.test/ bookworm-pgdg main",
        "http://mirror.test/debian/ trixie main",
    )

    assert sources(indexes) == [
        "deb http://mirror.test/debian/ bookworm main",
        "deb http://mirror.test/security/ bookworm-security main",
    ]


def test_a_machine_without_them_leaves_the_choice_to_mmdebstrap() -> None:
    """It names none then."""
    assert sources(["", "http://mirror.test/ubuntu/ noble main"]) == []
