"""A fault of the user's code is read from the log at once; a fault of ours keeps all there is to know."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
from support.served_replica import served

from runtime.replica.errors import ServiceExitError
from runtime.replica.faults import told


def imported(folder: Path, source: str) -> ModuleType:
    """A module of the folder with this source."""
    path = folder / "mine.py"
    path.write_text(source)
    spec = importlib.util.spec_from_file_location("mine", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_trace_begins_with_the_services_own_line(tmp_path: Path) -> None:
    """Neither the runner's frames nor the import machinery's stand before it."""
    with pytest.raises(ModuleNotFoundError) as raised:
        imported(tmp_path, "\nimport nowhere_to_be_found\n")

    lines = told(raised.value, tmp_path).splitlines()

    assert lines == [
        "ModuleNotFoundError: No module named 'nowhere_to_be_found'",
        "Traceback (most recent call last):",
        f'  File "{tmp_path}/mine.py", line 2, in <module>',
        "    import nowhere_to_be_found",
        "ModuleNotFoundError: No module named 'nowhere_to_be_found'",
    ]


def test_wrong_syntax_is_shown_without_a_frame_of_the_import_machinery(tmp_path: Path) -> None:
    """Python puts the place into the error itself."""
    with pytest.raises(SyntaxError) as raised:
        imported(tmp_path, "class A:\n  def infer(self)\n")

    text = told(raised.value, tmp_path)

    assert f'File "{tmp_path}/mine.py", line 2' in text
    assert "importlib" not in text


def test_what_the_service_calls_stays_in_the_trace(tmp_path: Path) -> None:
    """Libraries below its own line tell what it asked of them."""
    module = imported(tmp_path, "import json\ndef load(): json.loads('{')\n")
    with pytest.raises(ValueError, match="Expecting") as raised:
        module.load()

    text = told(raised.value, tmp_path)

    assert text.index("mine.py") < text.index("json/decoder.py")


def test_an_attempt_to_exit_is_told_with_its_place(tmp_path: Path) -> None:
    """First that it was one, then where."""
    module = imported(tmp_path, "import sys\ndef load(): sys.exit(4)\n")
    with pytest.raises(SystemExit) as raised:
        module.load()
    fault = ServiceExitError("the service raised SystemExit(4)")
    fault.__cause__ = raised.value

    text = told(fault, tmp_path)

    assert text.splitlines()[0] == "the service raised SystemExit(4)"
    assert "mine.py" in text


def test_a_fault_without_a_line_of_the_service_keeps_its_whole_trace(tmp_path: Path) -> None:
    """It may be ours, and has to be found."""
    with pytest.raises(ValueError, match="invalid literal") as raised:
        int("ours")

    text = told(raised.value, tmp_path)

    assert "test_replica_faults.py" in text


def test_the_log_of_a_failed_request_names_the_services_line(tmp_path: Path) -> None:
    """And no frame of the runner."""
    source = """
        class Service:
            def infer(self):
                raise ValueError("no such picture")
    """
    with served(tmp_path, source) as runner:
        assert runner.until_healthy().post().status_code == 500

        runner.until_logged("/infer raised ValueError: no such picture")
        runner.until_logged("service.py")
        assert "executor.py" not in runner.log
