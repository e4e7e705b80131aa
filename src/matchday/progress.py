"""What people see on a terminal while a command works."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

Progress = Callable[[str, int, int | None], None]
"""Is told of a step how much of it is done, of how much in all; None while that is not known."""


@contextmanager
def steps() -> Iterator[tuple[Progress, Callable[[str], None]]]:
    """(progress of one step after another, lines between): on standard error, bars on a terminal only. A step whose
    total is not known (None) is told it once it is."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description:10}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Bars(*columns, console=console, disable=not console.is_terminal) as bar:
        tasks: dict[str, TaskID] = {}

        def progress(step: str, done: int, total: int | None) -> None:
            if step not in tasks:
                tasks[step] = bar.add_task(step, total=total)
            bar.update(tasks[step], completed=done, total=total)

        def say(line: str) -> None:
            console.print(line, highlight=False, soft_wrap=True)

        yield progress, say
