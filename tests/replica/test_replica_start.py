"""From process start to RUNNING or to exit code 3, and to the end."""

import threading
import time
from pathlib import Path

import httpx
import pytest
from support.served_replica import served, started

BROKEN = {
    "unimportable": (
        "import nowhere_to_be_found\n",
        "ModuleNotFoundError: No module named 'nowhere_to_be_found'",
    ),
    "wrong-syntax": ("class Service:\n  def infer(self:\n", "SyntaxError"),
    "exits-at-import": ("import sys\nsys.exit(0)\n", "SystemExit"),
    "no-class": ("x = 1\n", "service.py has no class with an infer() method. Add one."),
    "two-classes": (
        "class A:\n  def infer(self): ...\nclass B:\n  def infer(self): ...\n",
        "several classes with infer(): A, B. Name one with --service-class",
    ),
    "init-wants": (
        "class A:\n  def __init__(self, path): ...\n  def infer(self): ...\n",
        "A() is made without arguments: missing a required argument: 'path'.",
    ),
    "init-raises": ("class A:\n  def __init__(self): 1 / 0\n  def infer(self): ...\n", "ZeroDivisionError"),
    "setup-raises": (
        "class A:\n  def setup(self): raise RuntimeError('no weights')\n  def infer(self): ...\n",
        "RuntimeError: no weights",
    ),
    "setup-stops-iteration": (
        "class A:\n  def setup(self): next(iter(()))\n  def infer(self): ...\n",
        "the service raised StopIteration()",
    ),
    "unreadable-annotation": (
        "import threading\nclass A:\n  def infer(self, lock: threading.Event): ...\n",
        "infer(): lock is annotated <class 'threading.Event'>, which JSON cannot give.",
    ),
    "positional-only": (
        "class A:\n  def infer(self, x, /): ...\n",
        "infer(): x can be given by position only.",
    ),
}


@pytest.mark.parametrize(("source", "said"), BROKEN.values(), ids=BROKEN)
def test_a_service_that_cannot_start_says_why_and_exits_3(tmp_path: Path, source: str, said: str) -> None:
    """Never a hang: the supervisor reads code and log."""
    with served(tmp_path, source) as runner:
        assert runner.exit_code() == 3

        assert said in runner.log


def test_a_folder_without_service_py_exits_3(tmp_path: Path) -> None:
    """The commonest slip has a message of its own."""
    with started(tmp_path) as runner:
        assert runner.exit_code() == 3

        assert "there is no service.py in" in runner.log


def test_the_port_is_open_and_says_its_state_while_setup_runs(tmp_path: Path) -> None:
    """A slow start can be told from a dead one."""
    source = """
        import pathlib, time
        class Service:
            def setup(self):
                print("in setup")
                while not pathlib.Path("go").exists():
                    time.sleep(0.01)
            def infer(self):
                return 1
    """
    with served(tmp_path, source) as runner:
        runner.until_logged("in setup")
        while (health := runner.health()) is None:
            time.sleep(0.02)
        posted = runner.post()
        (tmp_path / "go").touch()

        assert (health.status_code, health.json()) == (503, {"status": "SETUP_SERVICE"})
        assert (posted.status_code, posted.json()) == (503, {"status": "SETUP_SERVICE"})
        answer = runner.until_healthy().health()
        assert answer is not None
        assert answer.json() == {"status": "RUNNING", "async_enable": True}


def test_setup_and_infer_share_one_thread_and_hooks_run_in_order(tmp_path: Path) -> None:
    """So thread-bound models work."""
    source = """
        import threading
        class Service:
            def __init__(self): self.seen = [("init", threading.get_ident())]
            def on_server_startup(self): self.seen.append(("startup", threading.get_ident()))
            def store_assets(self): self.seen.append(("assets", threading.get_ident()))
            def setup(self): self.seen.append(("setup", threading.get_ident()))
            def infer(self): return self.seen + [("infer", threading.get_ident())]
            def on_server_shutdown(self): print("shut down in", threading.get_ident())
    """
    with served(tmp_path, source) as runner:
        seen = runner.until_healthy().post().json()["output"]
        runner.terminate()

        assert [name for name, _ in seen] == ["init", "startup", "assets", "setup", "infer"]
        assert len({thread for _, thread in seen}) == 1
        assert runner.exit_code() == 0
        assert f"shut down in {seen[0][1]}" in runner.log


def test_sigterm_lets_the_running_request_finish_and_exits_0(tmp_path: Path) -> None:
    """Draining loses nothing."""
    source = """
        import pathlib, time
        class Service:
            def infer(self):
                print("inferring")
                while not pathlib.Path("go").exists():
                    time.sleep(0.01)
                return "finished"
    """
    answers: list[httpx.Response] = []
    with served(tmp_path, source) as runner:
        caller = threading.Thread(target=lambda: answers.append(runner.until_healthy().post()))
        caller.start()
        runner.until_logged("inferring")
        runner.terminate()
        while runner.health() is not None:
            time.sleep(0.02)
        (tmp_path / "go").touch()
        caller.join()

        assert answers[0].json()["output"] == "finished"
        assert runner.exit_code() == 0


def test_sigterm_during_setup_exits_0_at_once(tmp_path: Path) -> None:
    """There is nothing to wait for."""
    source = """
        import time
        class Service:
            def setup(self):
                print("in setup")
                time.sleep(3600)
            def infer(self): ...
    """
    with served(tmp_path, source) as runner:
        runner.until_logged("in setup")
        while runner.health() is None:
            time.sleep(0.02)
        runner.terminate()

        assert runner.exit_code() == 0


def test_the_named_class_is_served(tmp_path: Path) -> None:
    """By flag or by environment."""
    source = """
        class A:
            def infer(self): return "A"
        class B:
            def infer(self): return "B"
    """
    with served(tmp_path, source, "--service-class", "B") as runner:
        assert runner.until_healthy().post().json()["output"] == "B"

    with served(tmp_path, source, MOORAGE_SERVICE_CLASS="A") as runner:
        assert runner.until_healthy().post().json()["output"] == "A"


def test_a_users_own_modules_are_found_before_the_runners(tmp_path: Path) -> None:
    """The runner shadows no name of the user's."""
    for name in ("infra", "tests", "runtime"):
        (tmp_path / f"{name}.py").write_text(f"OWNER = 'user of {name}'\n")
    source = """
        import infra, tests, runtime
        import os
        from runtime.replica.media import Image
        class Service:
            def infer(self):
                return [infra.OWNER, tests.OWNER, runtime.OWNER, Image.__name__, os.getcwd()]
    """
    with served(tmp_path, source) as runner:
        output = runner.until_healthy().post().json()["output"]

        assert output == ["user of infra", "user of tests", "user of runtime", "Image", str(tmp_path)]


def test_a_service_may_start_worker_processes(tmp_path: Path) -> None:
    """Spawned workers do not look for the runner's main module, but may import media."""
    source = """
        import multiprocessing
        from runtime.replica.media import Image
        def square(x): return x * x
        class Service:
            def infer(self):
                with multiprocessing.get_context("spawn").Pool(1) as pool:
                    return pool.map(square, [2, 3])
    """
    with served(tmp_path, source) as runner:
        assert runner.until_healthy().post().json()["output"] == [4, 9]
