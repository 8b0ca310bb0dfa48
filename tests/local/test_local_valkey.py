"""The embedded queue's server as a process."""

from support.polling import until
from support.ports import free_port

from runtime.local.pids import marked
from runtime.local.ports import is_free
from runtime.local.processes import start
from runtime.local.settings import Settings
from runtime.local.strays import kill_strays
from runtime.local.valkey import VALKEY, server_command, server_of


async def test_a_running_server_without_a_note_is_found_and_ended(settings: Settings) -> None:
    """Its process title must not be written over the mark in its environment."""
    settings.places.queue.mkdir(parents=True, exist_ok=True)
    port = free_port()
    server = start(server_command(server_of(settings, port), settings))
    try:
        await until(lambda: not is_free(port))

        found = marked(settings.state)
        await kill_strays(settings.state, ())

        assert found == {server.identity: VALKEY}
        assert not server.alive
    finally:
        await server.stop(0)
