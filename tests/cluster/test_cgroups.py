"""Control groups: where they are, read from the machine's mounts."""

from pathlib import Path

import pytest
from cluster import cgroups
from cluster.cgroups import EVERY_VERSION, hierarchies, make, tops
from cluster.errors import ClusterError

VERSION_1 = """\
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw
35 31 0:29 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
36 31 0:30 / /sys/fs/cgroup/systemd rw,relatime shared:9 - cgroup cgroup rw,name=systemd
"""


def unified(top: Path, controllers: str, handed_down: str = "") -> str:
    """Mounts of a machine with a hierarchy of version 2 that has these controllers."""
    (top / "cgroup.controllers").write_text(f"{controllers}\n")
    (top / "cgroup.subtree_control").write_text(f"{handed_down}\n")
    return f"41 31 0:38 / {top} rw,relatime - cgroup2 cgroup2 rw\n"


def test_version_1_is_used_where_it_is(tmp_path: Path) -> None:
    """Version 2 beside it has none of its controllers."""
    mounts = VERSION_1 + unified(tmp_path, "")

    assert tops(mounts) == [Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup/systemd")]


def test_version_2_is_used_where_it_has_the_controllers(tmp_path: Path) -> None:
    """As Debian has it by itself."""
    assert tops(unified(tmp_path, "cpuset cpu io memory hugetlb pids")) == [tmp_path]


def test_version_2_without_controllers_is_of_no_use(tmp_path: Path) -> None:
    """No pod could be limited."""
    assert tops(unified(tmp_path, "cpu pids")) == []


def test_hierarchies_of_every_version_are_looked_after(tmp_path: Path) -> None:
    """Groups are left in version 2 as well."""
    assert tmp_path in hierarchies(VERSION_1 + unified(tmp_path, ""), EVERY_VERSION)


def test_controllers_are_handed_down_in_version_2(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that are not yet; the file takes words to add."""
    (tmp_path / "mounts").write_text(unified(tmp_path, "cpu memory pids", "memory"))
    monkeypatch.setattr(cgroups, "MOUNTS", tmp_path / "mounts")

    make("moorage-e2e-node1")

    assert (tmp_path / "moorage-e2e-node1").is_dir()
    assert (tmp_path / "cgroup.subtree_control").read_text() == "+cpu +pids"


def test_controllers_that_cannot_be_handed_down_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel refuses where the top group has processes."""
    (tmp_path / "mounts").write_text(unified(tmp_path, "cpu memory pids"))
    monkeypatch.setattr(cgroups, "MOUNTS", tmp_path / "mounts")

    def refuse(*_: object) -> None:
        raise OSError(16, "Device or resource busy")

    monkeypatch.setattr(Path, "write_text", refuse)

    with pytest.raises(ClusterError, match="does not take cpu, memory, pids: Device or resource busy"):
        make("moorage-e2e-node1")
