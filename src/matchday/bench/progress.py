"""What people see on a terminal while something is measured, and where temporary files of a measurement stand."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

ON_DISK: Final = "/var/tmp"  # noqa: S108 - TemporaryDirectory makes a private folder in it
"""Where temporary files stand on a disk: what is measured is how long a disk takes."""


@contextmanager
def steps() -> Iterator[tuple[Callable[[str, int, int], None], Callable[[str], None]]]:
    """(progress of one step after another, lines between): on standard error, bars on a terminal only."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description:10}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        tasks: dict[str, TaskID] = {}

        def progress(step: str, done: int, total: int) -> None:
            if step not in tasks:
                tasks[step] = bar.add_task(step, total=total)
            bar.update(tasks[step], completed=done)

        def say(line: str) -> None:
            console.print(line, highlight=False, soft_wrap=True)

        yield progress, say
