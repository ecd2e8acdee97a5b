"""What a bench is doing, for whoever waits for it."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn


class Progressing:
    """What is going on: a bar on a terminal, otherwise a line a step."""

    def __init__(self, console: Console, steps: int) -> None:
        self._console = console
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("", total=steps)

    @contextmanager
    def showing(self) -> Iterator[None]:
        with self._bar:
            yield

    def step(self, what: str) -> None:
        if self._console.is_terminal:
            self._bar.update(self._task, description=what, advance=1)
        else:
            self._console.print(what, highlight=False)
