"""Virtual environments of `python:` folders: one for each set of requirements, made once."""

import asyncio
import hashlib
import os
import shutil
import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from runtime.local.errors import PrepareError
from runtime.local.logs import last_lines, size_of
from runtime.local.processes import Command, base_environment, mark_of, run_to_end
from runtime.local.settings import Settings

INSTALL_SECONDS = 1800.0
DRAFT = ".making"
KEPT_SECONDS = 7 * 86_400.0
"""How long an environment stays that nobody uses: an edit of requirements is often taken back."""
RUNNER = Path("runtime/replica/requirements.txt")
"""What the runner itself needs, below the folder of our code."""
INSTALLER_PREFIXES = ("UV_", "SSL_", "NETRC")
PROXIES = frozenset({"http_proxy", "https_proxy", "all_proxy", "no_proxy"})


@dataclass(frozen=True, slots=True)
class Recipe:
    """What one virtual environment is made from."""

    key: str
    requirements: tuple[Path, ...]
    hashed: bool
    """The folder's requirements carry hashes, so they must name all, the runner's needs included."""


def read_recipe(folder: Path, runner: Path) -> Recipe:
    """The recipe of a folder's environment. Its key changes with any requirements*.txt of the folder."""
    own = folder / "requirements.txt"
    texts = [path.read_bytes() for path in sorted(folder.glob("requirements*.txt"))]
    digest = hashlib.sha256()
    for part in (sys.version.encode(), sys.executable.encode(), runner.read_bytes(), *texts):
        digest.update(hashlib.sha256(part).digest())
    hashed = own.exists() and "--hash=" in own.read_text(errors="replace")
    given = (own,) if own.exists() else ()
    return Recipe(digest.hexdigest()[:20], given if hashed else (*given, runner), hashed)


@dataclass(slots=True)
class Environments:
    """Makes and finds virtual environments below `.moorage/venvs/`."""

    settings: Settings
    _locks: dict[str, asyncio.Lock] = field(default_factory=dict)

    def recipe(self, folder: Path) -> Recipe:
        """What the folder's environment is made from.

        Raises:
            PrepareError: there is no such folder.
        """
        if not (folder / "service.py").is_file():
            raise PrepareError(f"{folder} has no service.py.")
        return read_recipe(folder, self.settings.code / RUNNER)

    def python(self, recipe: Recipe) -> Path:
        """The environment's interpreter, there or not yet."""
        return self._folder(recipe.key) / "bin" / "python"

    async def make(self, recipe: Recipe, cwd: Path, log: Path) -> Path:
        """The interpreter of the environment, made first when it is not there; one making at a time.

        Raises:
            PrepareError: packages cannot be installed; the last lines of the installer say why.
        """
        async with self._lock(recipe.key):
            python = self.python(recipe)
            if not python.exists():
                await self._install(recipe, cwd, log)
            os.utime(self._folder(recipe.key))  # how long nobody used it counts from here
        return python

    async def drop_unused(self, used: Collection[str], now: float) -> None:
        """Remove the environments that are not used and were not for a week.

        Args:
            used: keys of the recipes that endpoints have now.
            now: seconds since 1970.
        """
        for folder in sorted(self.settings.places.venvs.glob("[!.]*")):
            if folder.name in used or folder.name.endswith(DRAFT):
                continue
            async with self._lock(folder.name):
                if now - folder.stat().st_mtime > KEPT_SECONDS:
                    await asyncio.to_thread(_remove, folder)

    def _lock(self, key: str) -> asyncio.Lock:
        return self._locks.setdefault(key, asyncio.Lock())

    def _folder(self, key: str) -> Path:
        return self.settings.places.venvs / key

    async def _install(self, recipe: Recipe, cwd: Path, log: Path) -> None:
        final = self._folder(recipe.key)
        draft = _draft_of(final)
        shutil.rmtree(draft, ignore_errors=True)
        draft.parent.mkdir(parents=True, exist_ok=True)
        for arguments in _steps(recipe, draft):
            await self._uv(arguments, cwd, log)
        draft.rename(final)

    async def _uv(self, arguments: tuple[str, ...], cwd: Path, log: Path) -> None:
        begin = size_of(log)
        argv = (str(Path(sys.executable).with_name("uv")), *arguments)
        env = installer_environment(self.settings.environ)
        command = Command(argv, env, cwd, log, mark_of(self.settings.state, "install"))
        try:
            status = await run_to_end(command, INSTALL_SECONDS)
        except (OSError, TimeoutError) as exc:
            raise PrepareError(f"packages cannot be installed: {exc!r}") from exc
        if status != 0:
            raise PrepareError(f"packages cannot be installed: {last_lines(log, 20, begin)}")


def _steps(recipe: Recipe, draft: Path) -> tuple[tuple[str, ...], ...]:
    """What the installer is told, one call after the other."""
    wanted = [part for path in recipe.requirements for part in ("-r", str(path))]
    # A lock names all there is to install, and may leave out on purpose what a package asks for.
    strict = ("--require-hashes", "--no-deps") if recipe.hashed else ()
    python = str(draft / "bin" / "python")
    return (
        # relocatable: the folder is renamed when it is complete
        ("venv", "--quiet", "--relocatable", "--python", sys.executable, str(draft)),
        ("pip", "install", "--quiet", "--python", python, "--compile-bytecode", *strict, *wanted),
    )


def installer_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """What the installer sees: the few variables of any program, its own settings and the proxies."""
    own = {
        name: value
        for name, value in environ.items()
        if name.startswith(INSTALLER_PREFIXES) or name.lower() in PROXIES
    }
    return {**base_environment(environ), **own, "UV_NO_PROGRESS": "1", "NO_COLOR": "1"}


def _draft_of(final: Path) -> Path:
    return final.with_name(final.name + DRAFT)


def _remove(final: Path) -> None:
    """Remove an environment so that half of one is never taken for a whole."""
    draft = _draft_of(final)
    shutil.rmtree(draft, ignore_errors=True)
    final.rename(draft)
    shutil.rmtree(draft, ignore_errors=True)


def drop_drafts(venvs: Path) -> None:
    """Remove what an interrupted making or removing left; neither goes on while the supervisor starts."""
    for draft in venvs.glob(f"*{DRAFT}"):
        shutil.rmtree(draft, ignore_errors=True)


def folder_of(root: Path, folder: str) -> Path:
    """A record's folder, from the project's root unless it is absolute."""
    return Path(os.path.normpath(root / folder))
