"""What the commands say: with colour and a spinner on a terminal, plain lines in a pipe."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from rich.console import Console
from rich.text import Text

Tell = Callable[[str], None]


class Screen(Console):
    """A console whose reader may leave (`make up | head`): the rest is said to nobody, and the work goes on."""

    def on_broken_pipe(self) -> None:
        """Called when nobody reads any more; the parent class would end the program here."""
        with suppress(SystemExit):
            super().on_broken_pipe()


class Teller:
    """Says things on a console."""

    def __init__(self, console: Console) -> None:
        self.console = console

    def say(self, text: str, style: str | None = None) -> None:
        """One or more lines, as they are: nothing is wrapped or coloured by guess."""
        self.console.print(text, style=style, soft_wrap=True, markup=False, highlight=False)

    @contextmanager
    def progress(self) -> Iterator[Tell]:
        """Tell what goes on: the latest text beside a spinner, in a pipe a line whenever it changes."""
        if not self.console.is_terminal:
            yield self._line_by_line()
            return
        with self.console.status("") as status:
            yield lambda text: status.update(Text(text.partition("\n")[0], overflow="ellipsis", no_wrap=True))

    def _line_by_line(self) -> Tell:
        last = ""

        def tell(text: str) -> None:
            nonlocal last
            if text != last:
                last = text
                self.say(f"  {text}")

        return tell
