"""The suite of a real Kubernetes: one installation for all tests, a platform for each, and the figures at the end.

It runs where `E2E_IMAGES` is set (`make e2e` does where it makes the cluster); elsewhere nothing of it is collected.
"""

import fcntl
import os
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from e2e.client import Platform, open_platform
from e2e.figures import Figures
from e2e.installation import Installation, Parts

collect_ignore_glob = [] if os.environ.get("E2E_IMAGES") else ["test_*.py"]

TEST_SECONDS = 240
"""Longest that one test may take, unless it says otherwise; its waits have deadlines of their own."""
TURN_SECONDS = 1200
"""Longest wait for another run's end."""
POLL_SECONDS = 0.5
GIVEN = ("E2E_IMAGES", "E2E_REGISTRY")
FIGURES = pytest.StashKey[Figures]()


def pytest_configure(config: pytest.Config) -> None:
    """Make room for the figures; on somebody's cluster see that all is named which the suite needs.

    Raises:
        pytest.UsageError: something is not.
    """
    missing = [name for name in GIVEN if not os.environ.get(name)]
    if os.environ.get("E2E_CONTEXT") and missing:
        raise pytest.UsageError(
            f"E2E_CONTEXT is set and {' and '.join(missing)} is not: JSON files that name images and registry. "
            'See docs/e2e.md, "On a cluster of yours".'
        )
    config.addinivalue_line("markers", "e2e: a real Kubernetes; run by `make e2e`")
    config.stash[FIGURES] = Figures()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this folder, and give it time."""
    for item in items:
        if item.path.parent != Path(__file__).parent:
            continue
        item.add_marker(pytest.mark.e2e)
        if item.get_closest_marker("timeout") is None:
            # Not the fixtures: the first one installs, with deadlines of its own.
            item.add_marker(pytest.mark.timeout(TEST_SECONDS, func_only=True))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the figures, and keep them where `E2E_OUT` says."""
    figures = config.stash[FIGURES]
    if not figures.taken:
        return
    terminalreporter.section("figures")
    for line in figures.table():
        terminalreporter.write_line(line)
    if out := os.environ.get("E2E_OUT"):
        figures.save(Path(out))


@pytest.fixture(scope="session")
def say(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Tells progress on the terminal, whatever is captured."""
    capture = request.config.pluginmanager.getplugin("capturemanager")

    def tell(line: str) -> None:
        with capture.global_and_fixture_disabled():
            sys.stderr.write(f"  e2e: {line}\n")
            sys.stderr.flush()

    return tell


@contextmanager
def one_at_a_time(folder: Path, say: Callable[[str], None]) -> Iterator[None]:
    """Wait until no other run is at work on the installation of a folder: each would see the other's load.

    Raises:
        TimeoutError: it is still at work after `TURN_SECONDS`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    end = time.monotonic() + TURN_SECONDS
    with (folder / "lock").open("a") as lock:
        is_told = False
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > end:
                    raise TimeoutError(f"another run holds {folder} for {TURN_SECONDS} s") from None
            if not is_told:
                say("another run is at work on this cluster; waiting for its end")
            is_told = True
            time.sleep(POLL_SECONDS)
        yield


@pytest.fixture(scope="session")
def parts() -> Parts:
    """Images and registry."""
    return Parts.from_environment()


@pytest.fixture(scope="session")
def installation(
    parts: Parts, tmp_path_factory: pytest.TempPathFactory, say: Callable[[str], None]
) -> Iterator[Installation]:
    """The platform with every endpoint of the project; taken out again where the cluster is not the suite's own."""
    context, own = os.environ.get("E2E_CONTEXT") or None, os.environ.get("E2E_CLUSTER")
    # It lives as long as its cluster: with another key a second run would lock out what the first had started.
    folder = Path(own) / "installation" if own else tmp_path_factory.mktemp("e2e")
    with one_at_a_time(folder, say):
        installed = Installation(parts, folder, context, tell=say)
        installed.apply()
        yield installed
        if not own:
            installed.remove()


@pytest.fixture
async def platform(installation: Installation) -> AsyncIterator[Platform]:
    """The installation as a test sees it."""
    async with open_platform(installation.access) as opened:
        yield opened


@pytest.fixture
def figures(request: pytest.FixtureRequest) -> Figures:
    """Where a test writes what it measured: `figures.add("0->1", 2.3, "s", goal="pod start + 1 s")`."""
    found = request.config.stash[FIGURES]
    found.test = request.node.name
    return found


@pytest.fixture
def own_cluster() -> Path:
    """The suite's own cluster, whose nodes may be killed; a test that needs one is skipped elsewhere."""
    if not (folder := os.environ.get("E2E_CLUSTER")):
        pytest.skip("needs the suite's own cluster (E2E_CLUSTER)")
    return Path(folder)
