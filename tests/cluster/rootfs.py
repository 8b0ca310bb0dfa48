"""The root file system that all our images stand on: Debian's packages, unpacked by mmdebstrap.

It takes the place of `python:3.11-slim-bookworm` in our Dockerfiles. Packages come from wherever this machine's apt
gets the same release. They are unpacked and not installed, which needs no rights in a sandbox and a third of the time;
the little that their scripts would have done for us is done here.
"""

import re
import shutil
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path

from cluster.chroots import ALONE
from cluster.commands import tail
from cluster.errors import ClusterError
from cluster.layers import Layer, LayerStore, key_of
from cluster.progress import Tell, duration

SUITE = "bookworm"
SUITES = frozenset({SUITE, f"{SUITE}-updates", f"{SUITE}-security"})
PACKAGES = (
    "base-files",
    "base-passwd",
    "ca-certificates",
    "coreutils",
    "dash",
    "grep",
    "netbase",
    "python-is-python3",
    "python3-venv",
    "python3.11",
    # Its client speaks Valkey's protocol: a second root file system for one program would be dear.
    "redis-tools",
    "sed",
    "tzdata",
)
LEFT_OUT = (
    "etc/apt",
    "usr/share/doc",
    "usr/share/man",
    "usr/share/locale",
    "usr/share/info",
    "usr/share/lintian",
)
INDEX = "$(REPO_URI) $(RELEASE) $(COMPONENT)"
WORDS = 3
SECONDS = 600.0
APT_SECONDS = 20.0
EXPECTED_SECONDS = 30.0
APT_DEFAULTS = ('Acquire::Languages "none";', 'Acquire::Retries "3";')
APT_OPTIONS = re.compile(r"Acquire::(?:https?::|ftp::|Check-|Force|Retries).*")
"""What of the machine's settings has to do with how packages are reached."""
RECIPE = "1"
"""Counted up when this module makes something else of the same packages."""


class RootfsError(ClusterError):
    """The root file system could not be made."""


def make_rootfs(store: LayerStore, say: Tell) -> Layer:
    """The layer below all others; made once, about half a minute.

    Raises:
        RootfsError: mmdebstrap is missing, failed or took too long.
    """
    key = key_of("rootfs", RECIPE, SUITE, *PACKAGES, *LEFT_OUT)
    if found := store.find(key):
        return found
    say(f"root file system: unpacking Debian {SUITE} (about {duration(EXPECTED_SECONDS)})")
    begun = time.monotonic()
    with store.draft() as draft:
        _unpack(draft.tree)
        _finish(draft.tree)
        layer = store.keep(draft, key)
    say(f"root file system: made in {duration(time.monotonic() - begun)}")
    return layer


def _unpack(tree: Path) -> None:
    options = [f"--aptopt={line}" for line in (*APT_DEFAULTS, *_apt_options())]
    said = _run(
        *(*ALONE, "mmdebstrap", "--mode=root", "--variant=extract", "--format=directory", *options),
        *(f"--include={','.join(PACKAGES)}", SUITE, str(tree), *sources(_indexes())),
        seconds=SECONDS,
    )
    if not (tree / "usr/bin/python").exists():
        raise RootfsError(f"mmdebstrap made no python:\n{tail(said)}")


def sources(indexes: Iterable[str]) -> list[str]:
    """Lines of a sources.list from what apt calls `REPO_URI RELEASE COMPONENT`; Debian's own suites only.

    Without any, mmdebstrap knows where Debian is.
    """
    found = (line.split() for line in indexes)
    return [f"deb {' '.join(words)}" for words in found if len(words) == WORDS and words[1] in SUITES]


def _indexes() -> list[str]:
    wanted = ("--format", INDEX, "Created-By: Packages")
    return sorted(set(_run("apt-get", "indextargets", *wanted, seconds=APT_SECONDS).splitlines()))


def _apt_options() -> list[str]:
    lines = _run("apt-config", "dump", "Acquire", seconds=APT_SECONDS).splitlines()
    return [line for line in lines if APT_OPTIONS.match(line) and '""' not in line]


def _finish(tree: Path) -> None:
    """What packages' scripts would do, and away with what nobody reads in a container or is this machine's."""
    for name in ("passwd", "group"):
        shutil.copyfile(tree / f"usr/share/base-passwd/{name}.master", tree / "etc" / name)
    bundle = tree / "etc/ssl/certs/ca-certificates.crt"
    bundle.parent.mkdir(parents=True, exist_ok=True)
    certificates = sorted(tree.glob("usr/share/ca-certificates/mozilla/*.crt"))
    bundle.write_text("".join(path.read_text(encoding="utf-8") for path in certificates), encoding="utf-8")
    for name in LEFT_OUT:
        shutil.rmtree(tree / name, ignore_errors=True)
    for folder in ("dev", "proc", "sys", "run", "tmp", "var/log", "var/cache/apt", "var/lib/apt"):
        shutil.rmtree(tree / folder, ignore_errors=True)
        tree.joinpath(folder).mkdir(parents=True)
    tree.joinpath("tmp").chmod(0o1777)
    # Every run gets its own; the names must be there to be covered.
    for name in ("resolv.conf", "hosts", "hostname"):
        tree.joinpath("etc", name).unlink(missing_ok=True)
        tree.joinpath("etc", name).touch()


def _run(*words: str, seconds: float) -> str:
    program = next(word for word in words if word not in ALONE)
    try:
        ran = subprocess.run(words, capture_output=True, text=True, timeout=seconds, check=False)
    except FileNotFoundError:
        raise RootfsError(f"{program} is not installed.") from None
    except subprocess.TimeoutExpired:
        raise RootfsError(f"{program} took longer than {duration(seconds)}.") from None
    if ran.returncode != 0:
        raise RootfsError(f"{program} failed with {ran.returncode}:\n{tail(ran.stderr)}")
    return ran.stdout + ran.stderr
