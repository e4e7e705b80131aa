"""The capacity model that is used where none is named: measured on this release, kept beside this file."""

from pathlib import Path
from typing import Final

from matchday.ops.capacity import Capacity, read

MEASURED: Final = Path(__file__).with_name("measured.json")


def model_of(path: Path | None) -> Capacity:
    """That of a file, or the kept one. CapacityError where it cannot be used."""
    return read(path or MEASURED)
