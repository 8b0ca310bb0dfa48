"""Which code runs: a hash of it, noted beside each process, so that a newer one replaces an older one."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

REQUIREMENTS = Path("requirements/runtime.txt")
"""What the platform's own packages are installed from, below the folder of our code."""


def code_fingerprint(code: Path) -> str:
    """Sixteen hex digits over the files of `runtime` and the locked packages; differs when one of them does."""
    digest = hashlib.sha256()
    for path in sorted(_files(code)):
        digest.update(f"{path.relative_to(code)}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]


def build_of(code: str, *settings: str) -> str:
    """What a process is made from: the code's fingerprint, then eight digits over what it was told at its start."""
    return f"{code}.{hashlib.sha256(repr(settings).encode()).hexdigest()[:8]}"


def _files(code: Path) -> Iterator[Path]:
    if (code / REQUIREMENTS).is_file():
        yield code / REQUIREMENTS
    for path in (code / "runtime").rglob("[!.]*"):
        if "__pycache__" not in path.parts and path.is_file():
            yield path
