"""`make render`: a stack as Kubernetes manifests, for Argo CD, Flux or kubectl.

`python -m infra.render --stack NAME --out DIR` writes one file a resource; files of an earlier rendering that
are not part of this one are removed.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import pulumi

from infra.brief import live_briefly
from infra.plan.rendering import RenderedFile, render
from infra.project import read_stack
from infra.record import record
from infra.spec.errors import SpecError

LIST = ".rendered"
"""Names of the files that are ours, so that nothing of anybody else's is ever removed."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Render; 1 with what is wrong on stderr, or where a stack cannot be rendered."""
    parser = argparse.ArgumentParser(prog="python -m infra.render", description=__doc__)
    parser.add_argument("--stack", required=True, help="as in stacks/Pulumi.<stack>.yaml")
    parser.add_argument("--out", type=Path, required=True, help="folder to write to")
    parser.add_argument("--project", type=Path, default=Path(), help="folder of endpoints.yaml (this one)")
    chosen = parser.parse_args(arguments)
    try:
        if read_stack(chosen.project, chosen.stack).settings.aws is not None:
            sys.stderr.write(
                f"stack {chosen.stack}: its manifests hold what only AWS tells once it is made.\n"
                "  Use pulumi up, or a stack with backend: kubernetes for a cluster that is there.\n"
            )
            return 1
        files = render(record(chosen.project, chosen.stack).resources)
        write_files(chosen.out, files)
    except (SpecError, pulumi.RunError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except OSError as error:
        sys.stderr.write(f"{error.filename}: cannot be written: {error.strerror}.\n  Make it writable.\n")
        return 1
    sys.stdout.write(f"{len(files)} files in {chosen.out}\n")
    return 0


def write_files(folder: Path, files: Sequence[RenderedFile]) -> None:
    """Make the folder hold these files, and none of an earlier rendering besides.

    Raises:
        OSError: a file cannot be written.
    """
    listing = folder / LIST
    former = listing.read_text(encoding="utf-8").splitlines() if listing.is_file() else []
    names = {file.path for file in files}
    for file in files:
        place = folder / file.path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(file.text, encoding="utf-8")
    for name in former:
        place = folder / name
        if name not in names and place.resolve().is_relative_to(folder.resolve()):
            place.unlink(missing_ok=True)
    listing.write_text("\n".join(sorted(names)) + "\n", encoding="utf-8")


if __name__ == "__main__":
    live_briefly()
    sys.exit(main())
