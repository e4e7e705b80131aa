"""What ``matchday capacity`` does."""

import argparse
import sys

from rich.console import Console
from rich.table import Table

from matchday.ops.capacity import Capacity, doubts
from matchday.ops.scale.document import document, number, said
from matchday.ops.scale.model import model_of
from matchday.ops.scale.sizes import Size, limits, size
from matchday.output import write_json


def capacity(options: argparse.Namespace) -> int:
    """``matchday capacity at``."""
    model = model_of(options.model)
    sizes = [size(model, fans) for fans in options.fans]
    for doubt in doubts(model):
        sys.stderr.write(f"matchday: {doubt}\n")
    if options.json:
        write_json({"version": model.version, "sizes": sizes, "limits": limits(model)})
    elif options.markdown:
        sys.stdout.write(document(model, sizes))
    else:
        _print(model, sizes)
    return 0


def _print(model: Capacity, sizes: list[Size]) -> None:
    table = Table("", title=f"What runs, by the capacity model of version {model.version}", title_justify="left")
    for one in sizes:
        table.add_column(f"{said(one.fans)} fans", justify="right")
    table.add_column("origin")
    for place, figure in enumerate(sizes[0].figures):
        unit = f" ({figure.unit})" if figure.unit else ""
        table.add_row(f"{figure.name}{unit}", *(number(each.figures[place].value) for each in sizes), figure.origin)
    table.add_row("[bold]first limit[/]", *(each.first_limit for each in sizes), "derived")
    table.add_row("how full it is", *(f"{each.full:.0%}" for each in sizes), "derived")
    console = Console()
    console.print(table)
    for limit in limits(model):
        console.print(f"{limit.what}: {said(limit.fans)} fans; beyond it {limit.remedy}", highlight=False)
