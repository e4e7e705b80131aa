"""What ``matchday drill failover`` does."""

import argparse

from matchday.ops.drill import DrillError


def failover(options: argparse.Namespace) -> int:
    """The exit status."""
    raise DrillError(f"no fault is known yet (--json {options.json})")
