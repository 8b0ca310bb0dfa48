"""Control groups: where they are, read from the machine's mounts."""

from pathlib import Path

from cluster.cgroups import EVERY_VERSION, hierarchies

MOUNTS = """\
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw
35 31 0:29 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
36 31 0:30 / /sys/fs/cgroup/systemd rw,relatime shared:9 - cgroup cgroup rw,name=systemd
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
"""


def test_hierarchies_are_those_of_version_1() -> None:
    """A node's pods need controllers, which version 2 has not got beside version 1."""
    assert hierarchies(MOUNTS) == [Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup/systemd")]


def test_hierarchies_of_every_version_are_looked_after() -> None:
    """Groups are left in version 2 as well."""
    assert Path("/sys/fs/cgroup/unified") in hierarchies(MOUNTS, EVERY_VERSION)
