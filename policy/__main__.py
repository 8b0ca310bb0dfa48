"""Starts the pack: `pulumi preview --policy-pack policy` runs this folder."""

import sys
from pathlib import Path

# The pack has an environment of its own, in which this project is not installed; see requirements.txt.
sys.path.insert(0, str(Path(__file__).parent.parent))

from policy.pack import start

if __name__ == "__main__":
    start()
