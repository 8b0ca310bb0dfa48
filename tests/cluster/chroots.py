"""Runs a step of an image's build below the image's own root, in namespaces of its own.

The root is an overlay of the layers so far; what the step changes stays in one new layer. Mounts are the step's alone
and go with its processes: all of them end with the step, however it ends.
"""

import os
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cluster.commands import tail
from cluster.errors import ClusterError
from cluster.layers import Layer

ALONE = ("unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "--")
GIVEN = ("PIP_", "UV_", "SSL_")
GIVEN_NAMES = frozenset({"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "REQUESTS_CA_BUNDLE"})
"""Variables of this machine by which installers find their packages."""
FILES = (
    "/etc/resolv.conf",
    "/etc/hosts",
    "/etc/pip.conf",
    "/etc/uv/uv.toml",
    "/etc/ssl/certs/ca-certificates.crt",
    "/root/.config/pip/pip.conf",
    "/root/.config/uv/uv.toml",
)
"""Files of this machine by which they find them."""
PROGRAMS = "/usr/sbin:/usr/bin:/sbin:/bin"
"""Where this machine's own programs are; a step may have another PATH."""
LAST_LINES = 25


class StepError(ClusterError):
    """A step of an image's build failed or took too long."""


@dataclass(frozen=True, slots=True)
class Step:
    """A shell's command line, the folder that it starts in, and its environment."""

    script: str
    workdir: str
    env: Mapping[str, str]
    seconds: float
    is_online: bool = False
    """Whether it gets what this machine's installers know about their sources."""


def run_step(step: Step, layers: Sequence[Layer], draft: Layer) -> None:
    """Carry it out on top of the layers, the lowest first; the draft takes what it changes.

    Raises:
        StepError: it failed or took too long, with its last lines.
    """
    root = draft.folder / "root"
    root.mkdir()
    given = _given_env(os.environ) if step.is_online else {}
    mounts = _given_paths(given) if step.is_online else []
    process = subprocess.Popen(
        (*ALONE, "sh", "-ec", _entering(step, layers, draft, mounts)),
        cwd=draft.folder.parent,
        env={"HOME": "/root", **given, **step.env, "PATH": PROGRAMS},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    try:
        said, _ = process.communicate(timeout=step.seconds)
    except subprocess.TimeoutExpired:
        raise StepError(f"RUN {step.script}\ntook longer than {step.seconds:g} s.") from None
    finally:
        # Nothing where it has ended; else unshare takes its child along, and that one all of its namespace.
        process.kill()
        process.communicate()
        root.rmdir()
    if process.returncode != 0:
        raise StepError(f"RUN {step.script}\nfailed with {process.returncode}:\n{tail(said, LAST_LINES)}")


def _entering(step: Step, layers: Sequence[Layer], draft: Layer, mounts: Sequence[str]) -> str:
    """What the shell in the new namespaces does: mount, and become the step."""
    # Relative to the folder of all layers: the kernel takes no more than a page of options.
    lower = ":".join(f"{layer.key}/tree" for layer in reversed(layers))
    options = f"lowerdir={lower},upperdir={draft.key}/tree,workdir={draft.key}/work"
    root = f"{draft.key}/root"
    inside = f"cd {shlex.quote(step.workdir)} || exit\n{step.script}"
    lines = [
        shlex.join(("mount", "-t", "overlay", "overlay", "-o", options, root)),
        shlex.join(("mount", "-t", "proc", "proc", f"{root}/proc")),
        shlex.join(("mount", "--rbind", "/dev", f"{root}/dev")),
        *(_mounting(path, f"{root}{path}") for path in mounts),
        f"chroot=$(command -v chroot) PATH={shlex.quote(step.env['PATH'])}",
        f'exec "$chroot" {shlex.join((root, "/bin/sh", "-c", inside))}',
    ]
    return "\n".join(lines)


def _mounting(path: str, place: str) -> str:
    """A file or folder of this machine at the same place below the root."""
    make = ("mkdir", "-p", place) if Path(path).is_dir() else ("touch", place)
    return " && ".join(
        (
            shlex.join(("mkdir", "-p", str(Path(place).parent))),
            f"{{ [ -e {shlex.quote(place)} ] || {shlex.join(make)}; }}",
            shlex.join(("mount", "--bind", path, place)),
        )
    )


def _given_env(environment: Mapping[str, str]) -> dict[str, str]:
    return {
        name: value
        for name, value in environment.items()
        if name.startswith(GIVEN) or name.upper() in GIVEN_NAMES
    }


def _given_paths(given: Mapping[str, str]) -> list[str]:
    """What is to be found below the step's root too, a folder before what lies in it."""
    named = {word for value in given.values() for word in value.split() if word.startswith("/")}
    return sorted(path for path in {*FILES, *named} if Path(path).exists())
