"""A program that is still being imported ends when it is told to, also as the first process of a container."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

SLOW = "import time\nprint('importing', flush=True)\ntime.sleep(60)\n\ndef main() -> None: ...\n"
QUICK = "def main() -> int:\n    return 3\n"
ROOT = Path(__file__).parent.parent
PROGRAMS = ("worker", "gateway", "scaler", "api")


def started(folder: Path, module: str) -> subprocess.Popen[str]:
    """A process that starts a module of a folder."""
    command = f"import sys; sys.path.insert(0, {str(folder)!r}); from runtime.starting import start; start({module!r})"
    return subprocess.Popen([sys.executable, "-c", command], stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_during_the_imports_is_not_lost(tmp_path: Path, number: signal.Signals) -> None:
    """Status 0 and not the signal's: a handler took it, so process 1 would have ended too."""
    (tmp_path / "slow_program.py").write_text(SLOW)

    with started(tmp_path, "slow_program") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "importing\n"
        process.send_signal(number)
        assert process.wait(10) == 0


def test_result_of_main_is_the_exit_status(tmp_path: Path) -> None:
    """As it was when the program's own module ran."""
    (tmp_path / "quick_program.py").write_text(QUICK)

    with started(tmp_path, "quick_program") as process:
        assert process.wait(10) == 3


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_program_of_a_pod_starts_this_way(program: str) -> None:
    """And imports nothing before."""
    lines = (ROOT / "runtime" / program / "__main__.py").read_text().splitlines()

    imports = [line for line in lines if line.startswith(("import", "from"))]
    assert imports == ["from runtime.starting import start"]
    assert f'    start("runtime.{program}.program")' in lines
