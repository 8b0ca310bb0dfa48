"""OctoAI's own Python client, unmodified from the package index, against an endpoint of ours."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.platform import Platform, running_platform

PACKAGE = "octoai-sdk==0.10.1"
SERVICE = """
import time

class Service:
    def setup(self) -> None:
        self.greeting = "hello"

    def infer(self, name: str, words: int = 0):
        if words:
            return self.stream(name, words)
        return {"greeting": f"{self.greeting} {name}"}

    def stream(self, name, words):
        for number in range(words):
            time.sleep(0.05)
            yield {"word": f"{name}\\u2028{number}"}
"""
ENDPOINTS = """endpoints:
  - {name: greet, python: greet, access: ACCESS, replicas: {min: 0, max: 1}}
"""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]
RunClient = Callable[[str], Any]


@pytest.fixture(scope="module")
def client_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An interpreter that has the client and nothing of ours."""
    folder = tmp_path_factory.mktemp("client") / "venv"
    uv = Path(sys.executable).with_name("uv")
    subprocess.run([uv, "venv", "-q", folder], check=True, timeout=60)
    subprocess.run([uv, "pip", "install", "-q", "--python", folder, PACKAGE], check=True, timeout=150)
    return folder / "bin" / "python"


@pytest.fixture(scope="module", params=["private", "public"])
def platform(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """A platform with the endpoint `greet`, with a token and without."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "greet").mkdir()
    (folder / "greet" / "service.py").write_text(SERVICE)
    (folder / "greet" / "requirements.txt").write_text("")
    with running_platform(folder, ENDPOINTS.replace("ACCESS", request.param)) as running:
        running.access = request.param
        yield running


@pytest.fixture
def run_client(client_python: Path, platform: Platform) -> RunClient:
    """Runs lines of code that have `client` and `url` and give `said`; what they said."""

    def run(code: str) -> Any:
        token = (platform.state / "token").read_text().strip() if platform.access == "private" else None
        script = (
            f"import json\nfrom octoai.client import Client\nclient = Client(token={token!r})\n"
            f"url = '{platform.url}/e/greet'\n{code}\nprint(json.dumps(said))\n"
        )
        done = subprocess.run(
            [client_python, "-c", script], capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    return run


def test_health_check_wakes_and_waits(run_client: RunClient) -> None:
    """It asks every second until the replica it woke is ready."""
    assert run_client("said = client.health_check(url + '/healthcheck', timeout=60)") == 200


def test_infer_answers_the_envelope(run_client: RunClient) -> None:
    """Output and analytics, as OctoAI's own server gave."""
    said = run_client("said = client.infer(url + '/infer', {'name': 'Ada'})")

    assert said["output"] == {"greeting": "hello Ada"}
    assert said["analytics"]["inference_time_ms"] >= 0


def test_infer_async_to_its_future_result(run_client: RunClient) -> None:
    """Submit, ask until ready, fetch."""
    said = run_client(
        "import time\n"
        "future = client.infer_async(url + '/infer', {'name': 'Ada'})\n"
        "deadline = time.monotonic() + 60\n"
        "while not client.is_future_ready(future) and time.monotonic() < deadline:\n    time.sleep(0.1)\n"
        "said = client.get_future_result(future)"
    )

    assert said["output"] == {"greeting": "hello Ada"}


def test_future_that_is_not_ready_has_no_result(run_client: RunClient) -> None:
    """None, not an error."""
    said = run_client(
        "future = client.infer_async(url + '/infer', {'name': 'Ada', 'words': 40})\n"
        "said = client.get_future_result(future)"
    )

    assert said is None


def test_infer_stream_yields_each_event(run_client: RunClient) -> None:
    """Separators inside the text do not split an event; the stream ends at [DONE]."""
    said = run_client("said = list(client.infer_stream(url + '/infer', {'name': 'Ada', 'words': 5}))")

    assert said == [{"word": f"Ada\u2028{number}"} for number in range(5)]


def test_infer_stream_is_not_held_back(run_client: RunClient) -> None:
    """The first event comes long before the last."""
    said = run_client(
        "import time\nclient.infer(url + '/infer', {'name': 'warm'})\n"
        "began = time.monotonic()\ntimes = []\n"
        "for event in client.infer_stream(url + '/infer', {'name': 'Ada', 'words': 20}):\n"
        "    times.append(time.monotonic() - began)\n"
        "said = [times[0], times[-1]]"
    )

    assert said[0] < said[1] / 2


def test_bad_input_is_the_clients_own_error(run_client: RunClient) -> None:
    """With the request's id in its message."""
    said = run_client(
        "from octoai.errors import OctoAIClientError\n"
        "try:\n    client.infer(url + '/infer', {'wrong': 1})\n    said = 'no error'\n"
        "except OctoAIClientError as exc:\n    said = str(exc)"
    )

    assert "422" in said
    assert "greet." in said
