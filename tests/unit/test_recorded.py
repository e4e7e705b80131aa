"""Reading a journal to play it again: what it says adds up, or is refused with its line."""

import json
from pathlib import Path
from typing import Any

import pytest

from matchday.app import StartError
from matchday.model.messages import FixtureStatus, Incident, ResultConfirmed
from matchday.sim.recorded import Recorded

NOW_MS = 1_800_000_000_000
MATCH = {
    "fixture": "f", "home": "Home", "away": "Away", "kickoff_ms": 10_000, "void_at_ms": 90_000, "source": "",
    "knockout": False,
}  # fmt: skip


def line(t_ms: int, kind: str, **fields: object) -> dict[str, Any]:
    return {"t_ms": t_ms, "kind": kind, **fields}


def incident(t_ms: int, seq: int, type_: str, score: list[int], side: str | None = None) -> dict[str, Any]:
    more = {"type": type_, "side": side, "clock_s": 60 * seq, "period": "1H", "score": score}
    return line(t_ms, "incident", fixture="f", seq=seq, **more)


STORY = [
    line(1_000, "settings", stake_min=7, delay_ms=4_000),
    line(2_000, "fixture", **MATCH),
    incident(10_000, 2, "kick_off", [0, 0]),
    incident(11_000, 3, "goal", [0, 1], "away"),
    line(12_000, "bet", answer="accepted", bet="b"),
    line(13_000, "result", fixture="f", seq=4, status="abandoned", reason="fog", period="1H", score=[0, 1]),
    line(14_000, "balance", account="a", balance=5),
    line(14_000, "statement", account="a", entries=[[2, -5, "stake", "b"], [1, 10, "grant", None]]),
]


def read(folder: Path, *lines: dict[str, Any]) -> Recorded:
    path = folder / "journal"
    path.write_text("".join(json.dumps(one) + "\n" for one in lines))
    return Recorded(path, NOW_MS)


def test_incidents_become_messages_whose_first_moment_is_now(tmp_path: Path) -> None:
    journal = read(tmp_path, *STORY)
    goal, result = journal.said["f", 3].message, journal.said["f", 4].message
    assert isinstance(goal, Incident)
    assert isinstance(result, ResultConfirmed)
    assert (goal.state.score, goal.at_ms) == ((0, 1), NOW_MS + 10_000)
    assert (result.state, result.status, result.reason) == (goal.state, FixtureStatus.ABANDONED, "fog")
    snapshot = journal.said["f", 1].snapshot
    assert (snapshot.scheduled.kickoff_ms, snapshot.scheduled.void_at_ms) == (NOW_MS + 9_000, NOW_MS + 89_000)
    assert (journal.bets_settings.stake_min, journal.fixtures, journal.open_bets) == (7, {"f"}, 1)
    assert journal.balances == {"a": 5}
    assert journal.statements["a"] == {(-5, "stake", "b"): 1, (10, "grant", None): 1}


def test_what_does_not_add_up_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StartError, match=r"the incidents add up to \(0, 1\) in 1H"):
        read(tmp_path, *STORY[:3], incident(11_000, 3, "goal", [1, 0], "away"))
    with pytest.raises(StartError, match="half_time_break"):
        read(tmp_path, *STORY[:3], incident(11_000, 3, "half_time_break", [0, 0]))
    with pytest.raises(StartError, match="announced again"):
        read(tmp_path, *STORY[:2], STORY[1])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "line 1: Input data was truncated"),
        ("[1]", "line 1: Expected `object`"),
        ('{"t_ms": 1, "kind": "totals", "totals": {}}\n', "is not whole"),
        ('{"t_ms": 1, "kind": "incident"}\n', "a line lacks 'fixture'"),
        ('{"t_ms": 1, "kind": "settings", "stake_min": "much"}\n', "Expected `int`"),
    ],
)
def test_what_is_no_journal_is_refused(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "journal").write_text(text)
    with pytest.raises(StartError) as error:
        Recorded(tmp_path / "journal", NOW_MS)
    assert says in str(error.value)


def test_a_journal_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="No such file or directory; `matchday replay --journal FILE` writes one"):
        Recorded(tmp_path / "none", NOW_MS)
