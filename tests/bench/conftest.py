"""Makes `bench` importable: it is run from the repository and never installed."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
