"""What a machine must have for the cluster."""

from pathlib import Path

from cluster.machine import faults

MOUNTS = "35 31 0:29 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory"
CACHE = Path("/root/.cache/moorage/e2e")


def test_complete_machine_has_no_fault() -> None:
    """Root, all programs, control groups."""
    assert faults(0, (), MOUNTS, CACHE) == []


def test_all_faults_are_told_at_once() -> None:
    """Nobody mends one to hear of the next."""
    found = faults(1000, ("runc", "containerd"), "", Path("/var/lib/ci/cache"))

    assert len(found) == 4
    assert "apt-get install containerd runc" in found[1]


def test_cache_that_nodes_cannot_see_is_refused() -> None:
    """They have their own folder in that place, and would find no program."""
    (fault,) = faults(0, (), MOUNTS, Path("/var/lib/ci/cache"))

    assert "MOORAGE_E2E_CACHE" in fault
