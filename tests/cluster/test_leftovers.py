"""What a cluster has left, found by comparing."""

from pathlib import Path

from cluster.leftovers import differences, mounts_below, read_snapshot, write_snapshot

RUN = Path("/cache/run")


def test_what_is_new_and_what_is_gone_is_told() -> None:
    """Each with what it belongs to."""
    before = {"routes": ["default via 10.0.0.1", "10.0.0.0/24 dev eth0"]}
    after = {"routes": ["default via 10.0.0.1", "10.96.0.0/16 dev eth0"]}

    assert differences(before, after) == [
        "routes: new: 10.96.0.0/16 dev eth0",
        "routes: gone: 10.0.0.0/24 dev eth0",
    ]


def test_mounts_of_the_run_folder_and_of_our_networks_are_found() -> None:
    """Others are none of our business, even if their names begin alike."""
    points = ("/", "/cache/run/node1/lib", "/cache/running", "/run/netns/moorage-e2e", "/run/netns/other")
    mounts = "\n".join(f"1 2 0:1 / {point} rw - ext4 /dev/vda rw" for point in points)

    assert mounts_below(mounts, RUN) == ["/cache/run/node1/lib", "/run/netns/moorage-e2e"]


def test_snapshot_is_kept_over_commands(tmp_path: Path) -> None:
    """`down` compares with what `up` saw."""
    write_snapshot({"routes": ["a"]}, tmp_path / "before.json")

    assert read_snapshot(tmp_path / "before.json") == {"routes": ["a"]}


def test_lost_snapshot_compares_with_nothing(tmp_path: Path) -> None:
    """A half-made run folder still goes down."""
    assert differences(read_snapshot(tmp_path / "none.json"), {"routes": ["a"]}) == []
