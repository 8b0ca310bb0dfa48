"""Which token a call shows, as its file changes."""

from pathlib import Path

import pytest

from runtime.cluster.access import Access
from runtime.cluster.login import FRESH_SECONDS, Login


class Clock:
    """Seconds that a test sets."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """The time."""
        return self.now


@pytest.fixture
def token(tmp_path: Path) -> Path:
    """A token's file."""
    path = tmp_path / "token"
    path.write_text("first\n")
    return path


def write(path: Path, text: str) -> None:
    """Renew a token."""
    path.write_text(text)


def remove(path: Path) -> None:
    """Take it away."""
    path.unlink()


async def test_token_is_read_anew_once_it_is_no_longer_fresh(token: Path) -> None:
    """Not at every call."""
    clock = Clock()
    login = Login(Access("https://x", token_file=token), clock)
    shown = [await login.headers()]
    write(token, "second")

    shown.append(await login.headers())
    clock.now += FRESH_SECONDS
    shown.append(await login.headers())

    assert [each["Authorization"] for each in shown] == ["Bearer first", "Bearer first", "Bearer second"]


async def test_token_goes_on_while_its_file_is_away(token: Path) -> None:
    """Kubelet swaps a link; a reader may come in between."""
    clock = Clock()
    login = Login(Access("https://x", token_file=token), clock)
    await login.headers()
    remove(token)
    clock.now += FRESH_SECONDS

    assert await login.headers() == {"Authorization": "Bearer first"}


async def test_file_that_never_was_there_is_a_fault(tmp_path: Path) -> None:
    """Nothing is asked without a token."""
    login = Login(Access("https://x", token_file=tmp_path / "token"), Clock())

    with pytest.raises(FileNotFoundError):
        await login.headers()


async def test_fixed_token_and_none() -> None:
    """Of a kubeconfig, and where a certificate says who calls."""
    assert await Login(Access("https://x", token="t"), Clock()).headers() == {"Authorization": "Bearer t"}
    assert await Login(Access("https://x"), Clock()).headers() == {}


def test_token_is_in_no_text_of_an_access() -> None:
    """Logs and tracebacks show such texts."""
    assert "hush" not in repr(Access("https://x", token="hush"))
