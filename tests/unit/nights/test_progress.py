"""Whoever waits for a night sees how much of it is over."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import pytest

from matchday.__main__ import main
from matchday.ops.drill.night import command
from matchday.ops.drill.night.place import Place
from matchday.ops.drill.night.report import Report
from matchday.ops.drill.night.run import Night, Wish
from matchday.ops.drill.night.shapes import Phase
from matchday.sim.clock import VirtualClock
from tests.unit.nights.test_night import report, sample

WISH = Wish(shape="goal", phases=(Phase("goal", 2, (1.0,)),), faults=[], rate=1, compress=30, seed=1, errors_percent=20)


class Nowhere:
    """A platform of which nothing is asked but what it is."""

    port, kind = 1, "embedded"
    boots_s: Sequence[float] = ()
    doubts: Sequence[str] = ()

    def processes(self) -> dict[str, int]:
        return {}

    def close(self) -> None:
        """Nothing was started."""


def test_a_night_says_with_every_look_how_many_of_its_seconds_are_over() -> None:
    told: list[tuple[str, int, int | None]] = []
    night = Night(WISH, cast("Place", Nowhere()), VirtualClock(1), lambda *step: told.append(step))
    for at_s in (1.02, 2.04):
        night._look(sample(at_s))
    assert told == [("night", 1, 4), ("night", 2, 4)]  # two minutes, thirty times as fast


@pytest.mark.parametrize("terminal", ["1", ""])
def test_a_terminal_sees_a_night_and_nobody_else(
    terminal: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def hold(night: Night, *_: object) -> Report:
        night._look(sample(1.0))
        await asyncio.sleep(0)
        return report()

    monkeypatch.setenv("FORCE_COLOR", terminal)  # rich takes it for a terminal
    monkeypatch.setattr(Night, "hold", hold)
    monkeypatch.setattr(command, "_place", lambda *_: Nowhere())
    words = ["drill", "night", "--shape", "goal", "--reports", str(tmp_path)]
    assert main(words) == 0
    told = capsys.readouterr()
    assert ("starting" in told.err and "night" in told.err) == bool(terminal)
    assert terminal or told.err == ""
