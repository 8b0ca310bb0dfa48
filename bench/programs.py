"""The stub and the load generator, built once for each state of their source."""

import hashlib
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from bench.errors import BenchError

BUILD_SECONDS = 120.0
_HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Programs:
    """Paths of what every run needs."""

    stub: Path
    load: Path

    @classmethod
    def build(cls, cache: Path) -> Self:
        """Both programs, from the cache folder where they are already there.

        Raises:
            BenchError: there is no Go, or it refuses the source.
        """
        return cls(build(_HERE / "stub", cache), build(_HERE / "load", cache))


def cache_folder(environ: Mapping[str, str]) -> Path:
    """Where built programs are kept: below the user's cache folder, outside any repository."""
    base = environ.get("XDG_CACHE_HOME") or Path(environ.get("HOME") or Path.home()) / ".cache"
    return Path(base) / "moorage" / "bench"


def build(source: Path, cache: Path) -> Path:
    """One static Go program; its name in the cache holds the hash of its source.

    Raises:
        BenchError: there is no Go, or it refuses the source.
    """
    program = cache / f"{source.name}-{content_hash(source)}"
    if program.exists():
        return program
    go = shutil.which("go")
    if go is None:
        raise BenchError("The stub is a Go program and there is no `go` on PATH. Install Go 1.22 or later.")
    cache.mkdir(parents=True, exist_ok=True)
    # Built under a name of its own, then renamed: a build that is cut off leaves no half program behind.
    unfinished = program.with_suffix(f".{os.getpid()}")
    done = subprocess.run(
        [go, "build", "-trimpath", "-ldflags=-s -w", "-o", str(unfinished), "."],
        cwd=source,
        env={**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "", "GOWORK": "off"},
        capture_output=True,
        text=True,
        timeout=BUILD_SECONDS,
        check=False,
    )
    if done.returncode:
        raise BenchError(f"{source.name} does not build:\n{done.stderr}")
    unfinished.rename(program)
    return program


def content_hash(folder: Path) -> str:
    """Sixteen hex digits that change with any file of the folder."""
    digest = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        digest.update(f"{path.name}\0{path.stat().st_size}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:16]
