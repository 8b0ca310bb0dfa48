"""The cluster's API by kubectl, from inside its network."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cluster.commands import CommandError, command

SECONDS = 20.0
MANIFESTS = Path(__file__).parent / "manifests"


@dataclass(frozen=True, slots=True)
class Kubectl:
    """kubectl as one user; calling it gives what it printed."""

    argv: Sequence[str]
    kubeconfig: Path
    cache: Path
    """Of its own: what is remembered of another cluster at the same address would be wrong."""

    async def __call__(self, *words: str | Path, seconds: float = SECONDS, stdin: str = "") -> str:
        """Run one command.

        Raises:
            CommandError: it failed or took longer than so many seconds.
        """
        return await command(
            *(*self.argv, f"--kubeconfig={self.kubeconfig}", f"--cache-dir={self.cache}", *words),
            seconds=seconds,
            stdin=stdin,
        )

    async def holds(self, *words: str | Path, seconds: float = SECONDS) -> bool:
        """Whether a command succeeds."""
        try:
            await self(*words, seconds=seconds)
        except CommandError:
            return False
        return True

    async def apply(self, manifest: str | Path, seconds: float = SECONDS) -> None:
        """Apply YAML on the server's side: a file, or a text.

        Raises:
            CommandError: the server refuses.
        """
        source, text = (manifest, "") if isinstance(manifest, Path) else ("-", manifest)
        words = ("apply", "--server-side", "--force-conflicts", "-f", source)
        await self(*words, seconds=seconds, stdin=text)
