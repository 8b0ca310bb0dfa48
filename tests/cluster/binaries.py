"""Builds the programs of the tests' cluster from their Go modules, once for each state of the sources.

What is built lies in the cache folder, a folder for each module: it is there whole or not at all. Two processes that
build at the same time take turns; the second finds what the first has built.
"""

import fcntl
import os
import shutil
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp

from cluster.go_build import LOG, BuildError, Go
from cluster.go_modules import KEY_DIGITS, MODULES, OWN, SOURCES, GoModule, name_by_go, source_key
from cluster.places import find_places
from cluster.progress import Tell, duration, tell

HEARTBEAT_SECONDS = 30.0
LOCK_SECONDS = 3600.0
LOCK_POLL_SECONDS = 0.5
UNUSED_DAYS = 14
"""After so long without use, other states of a module are removed when it is built."""
UNFINISHED = ".building-"
MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Workshop:
    """Where builds find what they need."""

    cache: Path
    sources: Path = SOURCES
    modules: Sequence[GoModule] = MODULES
    go: str = "go"
    say: Tell = tell
    heartbeat_seconds: float = HEARTBEAT_SECONDS

    @property
    def compiler(self) -> Go:
        """What builds here."""
        return Go(self.go, self.say, self.heartbeat_seconds)


def build(names: Iterable[str], workshop: Workshop | None = None) -> dict[str, Path]:
    """The folder of each module's programs, by the module's name; what is not there yet is built, in order.

    A program is `build(["kubernetes"])["kubernetes"] / "kubelet"`. Manifests that a module brings along lie beside
    its programs (`keda`: `config/`, `kwok`: `stage/`).

    Raises:
        BuildError: there is no such module, no go, or go failed or took too long.
    """
    shop = workshop or Workshop(find_places().bin)
    wanted = _in_order(names, shop)
    return {module.name: _have(module, shop) for module in wanted}


def _in_order(names: Iterable[str], shop: Workshop) -> list[GoModule]:
    asked = set(names)
    if unknown := asked - {module.name for module in shop.modules}:
        known = ", ".join(module.name for module in shop.modules)
        raise BuildError(f"there is no module {', '.join(sorted(unknown))}. There are: {known}.")
    return [module for module in shop.modules if module.name in asked]


def _have(module: GoModule, shop: Workshop) -> Path:
    target = _target(module, shop)
    if not target.is_dir():
        with _turn(shop):
            # Another process may have built it while this one waited.
            if not target.is_dir():
                _make(module, shop, target)
    # The time of the last use, for `_remove_unused`.
    os.utime(target)
    return target


def _target(module: GoModule, shop: Workshop) -> Path:
    folder = shop.sources / module.name
    if not (folder / "go.mod").is_file():
        raise BuildError(f"{module.name}: there is no go.mod in {folder}.")
    compiler = shop.compiler.ask(folder, "env", "GOVERSION", "GOOS", "GOARCH")
    return shop.cache / f"{module.name}-{source_key(folder, module, compiler)}"


def _make(module: GoModule, shop: Workshop, target: Path) -> None:
    _remove_unused(module, shop)
    shop.say(f"{module.name}: building (about {duration(module.expected_seconds)} the first time)")
    begun = time.monotonic()
    unfinished = Path(mkdtemp(prefix=f"{UNFINISHED}{module.name}-", dir=shop.cache))
    try:
        shop.compiler.compile(module, shop.sources / module.name, unfinished)
        _name_programs(module, unfinished)
        _copy_manifests(module, shop, unfinished)
        (unfinished / LOG).unlink()
        unfinished.chmod(0o755)
        unfinished.rename(target)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    mib = sum((target / program).stat().st_size for program in module.programs) / MIB
    shop.say(f"{module.name}: built in {duration(time.monotonic() - begun)}, {mib:.0f} MiB")


@contextmanager
def _turn(shop: Workshop) -> Iterator[None]:
    """Alone in the cache; the lock ends with the process, however it ends."""
    shop.cache.mkdir(parents=True, exist_ok=True)
    path = shop.cache / ".lock"
    deadline, is_told = time.monotonic() + LOCK_SECONDS, False
    with path.open("a") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise BuildError(
                        f"another build has held {path} for {duration(LOCK_SECONDS)}. End it."
                    ) from None
            if not is_told:
                shop.say("waiting for another build")
                is_told = True
            time.sleep(LOCK_POLL_SECONDS)
        yield


def _remove_unused(module: GoModule, shop: Workshop) -> None:
    """What an ended process left half built, and states of the module that nobody used for long.

    Only in turn: then nobody else builds. Other checkouts may share the cache, so recent ones stay.
    """
    oldest = time.time() - UNUSED_DAYS * 86_400
    old = [
        path for path in shop.cache.glob(f"{module.name}-{'?' * KEY_DIGITS}") if path.stat().st_mtime < oldest
    ]
    for path in (*shop.cache.glob(f"{UNFINISHED}*"), *old):
        shutil.rmtree(path, ignore_errors=True)


def _name_programs(module: GoModule, folder: Path) -> None:
    for program, package in module.programs.items():
        made = folder / (module.name if package == OWN else name_by_go(package))
        if not made.is_file():
            raise BuildError(f"{module.name}: go build made no {made.name}. Is {package} a main package?")
        made.rename(folder / program)


def _copy_manifests(module: GoModule, shop: Workshop, into: Path) -> None:
    for copied in module.copied:
        source = shop.compiler.ask(shop.sources / module.name, "list", "-m", "-f", "{{.Dir}}", copied.module)
        target = into / copied.name
        # The module cache is read-only, folders too: what nobody may write nobody can remove either.
        shutil.copytree(Path(source, copied.folder), target, copy_function=shutil.copyfile)
        for folder in (target, *(path for path in target.rglob("*") if path.is_dir())):
            folder.chmod(0o755)
