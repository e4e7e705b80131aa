"""Where temporary files of a measurement stand."""

from typing import Final

ON_DISK: Final = "/var/tmp"  # noqa: S108 - TemporaryDirectory makes a private folder in it
"""Where temporary files stand on a disk: what is measured is how long a disk takes."""
