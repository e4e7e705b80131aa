"""The words of ``matchday drill``: one command for each kind of drill, which says itself what it does.

Every command puts a callable into ``options.drill``: it takes the options and gives the exit status. What it needs is
imported there, as the words alone are read by every command of Matchday.
"""

import argparse
from typing import Final

from matchday.ops.drill.capacity.words import add_capacity
from matchday.ops.drill.failover.words import add_failover
from matchday.ops.drill.night.words import add_night
from matchday.ops.drill.plan.words import add_plan

DESCRIPTION: Final = """\
Drills: what production will do to the platform one day, done to it on purpose on this machine, with figures."""


def add_words(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """All drills."""
    add_failover(commands)
    add_night(commands)
    add_plan(commands)
    add_capacity(commands)
