"""The words of ``matchday drill``: one command for each kind of drill, which says itself what it does.

Every command puts a callable into ``options.drill``: it takes the options and gives the exit status. What it needs is
imported there, as the words alone are read by every command of Matchday.
"""

import argparse
from typing import Final

from matchday.ops.drill.failover.words import add_failover

DESCRIPTION: Final = """\
Drills: what production will do to the platform one day, done to it on purpose on this machine, with figures."""


def add_words(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """All drills."""
    add_failover(commands)
