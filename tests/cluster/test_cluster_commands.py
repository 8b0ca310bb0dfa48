"""Programs that run to their end."""

import pytest
from cluster.commands import CommandError, command, shown, tail


async def test_command_gives_what_was_printed() -> None:
    """Standard output, with what was written to standard input."""
    assert await command("cat", seconds=5, stdin="hello") == "hello"


async def test_failed_command_shows_its_last_words() -> None:
    """With the status, and all that it said for whoever looks for a cause."""
    with pytest.raises(CommandError, match="ended with 3:\n  no such thing") as caught:
        await command("sh", "-c", "echo no such thing >&2; exit 3", seconds=5)

    assert caught.value.said == "no such thing\n"


async def test_command_has_a_deadline() -> None:
    """What hangs is killed and named."""
    with pytest.raises(CommandError, match=r"sleep 60 took longer than 0\.05 s"):
        await command("sleep", "60", seconds=0.05)


async def test_missing_program_is_named() -> None:
    """No traceback for what an apt-get mends."""
    with pytest.raises(CommandError, match="no-such-program is not installed"):
        await command("no-such-program", seconds=5)


def test_shown_command_leaves_out_the_way_in() -> None:
    """Who reads it wants to know what failed, not where."""
    assert shown(["nsenter", "--net=/run/netns/x", "--", "kubectl", "get"]) == "kubectl get"


def test_tail_skips_blank_lines() -> None:
    """The last lines that say something."""
    assert tail("one\n\ntwo\n\n\n", lines=1) == "  two"
