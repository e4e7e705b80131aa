"""What commands print for programs."""

import sys

import msgspec


def write_json(value: object) -> None:
    """A value to standard output, as JSON that people can read, too."""
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n")
