"""Real matches through the real rooms, checked by a script that shares no code with them."""

import gzip
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.real import DATA

CHECKER = Path(__file__).parents[1] / "check_journal.py"
pytestmark = pytest.mark.skipif(not DATA.exists(), reason="needs the recorded matches of shared/data/football-wyscout")
EPL = [DATA / "epl2017-18" / f"{number}.json.gz" for number in range(2500091, 2500099)]
"""Eight of the ten that kicked off together: enough for a goliath."""
TIES = [DATA / "worldcup2018" / f"{number}.json.gz" for number in (2058012, 2058013)]
"""On one day: one with extra time and a shoot-out, one without."""
FINAL = DATA / "worldcup2018" / "2058017.json.gz"


def replay(*words: object) -> tuple[int, dict[str, Any], str]:
    done = subprocess.run(
        [sys.executable, "-m", "matchday", "replay", *map(str, words), "--json"],
        check=False,
        capture_output=True,
        text=True,
    )
    return done.returncode, json.loads(done.stdout), done.stderr


def test_an_outsider_settles_every_bet_again(tmp_path: Path) -> None:
    """Fans who use every type of bet and try everything that is not allowed; all 66 matches: docs/replay.md."""
    journal = tmp_path / "journal"
    matches = [*EPL, *TIES]
    status, report, _ = replay(*matches, "--meta", DATA / "meta", "--bettors", 150, "--seed", 3, "--journal", journal)
    assert (status, report["fixtures"], report["scores_right"]) == (0, 10, 10)
    assert report["bets_accepted"] == report["bets_settled"] > 300
    assert (report["bets_open"], report["money_conserved"]) == (0, True)
    assert report["retries"] == report["retries_same_answer"] > 0
    check = subprocess.run(
        [sys.executable, str(CHECKER), str(journal), *map(str, matches), "--meta", str(DATA / "meta"), "--json"],
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    found = json.loads(check.stdout)
    assert found["differences_total"] == 0, check.stdout[-2000:]
    _has_seen_it_all(report, found["seen"])


def _has_seen_it_all(report: dict[str, Any], seen: dict[str, dict[str, int]]) -> None:
    """So few matches have nearly everything: chance may leave something out."""
    assert len(report["refusals_never_given"]) <= 2, report["refusals_never_given"]
    covers = {
        "trixie",
        "patent",
        "yankee",
        "lucky15",
        "canadian",
        "lucky31",
        "heinz",
        "lucky63",
        "super_heinz",
        "goliath",
    }
    types = seen["bets by type"].keys()
    assert len(covers & types) >= 8
    assert {"single", "accumulator"} < types
    assert any(name.startswith("system:") for name in types)
    assert len(seen["limits"]) == 6
    assert {"accepted", "re_offered", "refused_by_trader"} <= seen["referrals"].keys()
    assert {"given", "used", "taken_back"} <= seen["free bets"].keys()
    assert {"accepted", "accepted by itself", "quote_expired", "quote_unknown"} <= seen["cash-outs"].keys()
    assert {"of all", "of a part"} <= report["cash_outs"].keys()
    assert seen["answers"]["after the delay in play"] > 100


def test_the_same_seed_gives_the_same_journal(tmp_path: Path) -> None:
    texts = []
    for name, seed in (("a", 5), ("b", 5), ("c", 6)):
        replay(EPL[0], "--meta", DATA / "meta", "--bettors", 30, "--seed", seed, "--journal", tmp_path / name)
        texts.append((tmp_path / name).read_text())
    assert texts[0] == texts[1] != texts[2]


def test_a_score_altered_in_the_meta_file_is_noticed(tmp_path: Path) -> None:
    rows = json.loads(gzip.decompress((DATA / "meta" / "matches_World_Cup.json.gz").read_bytes()))
    altered = next(row for row in rows if row["wyId"] == 2058013)
    next(iter(altered["teamsData"].values()))["score"] = 5
    (tmp_path / "matches_World_Cup.json").write_text(json.dumps(rows))
    status, report, _ = replay(*TIES, "--meta", tmp_path)
    assert (status, report["scores_right"], len(report["scores_wrong"])) == (1, 1, 1)


def test_files_that_are_none_are_named_and_the_others_go_on(tmp_path: Path) -> None:
    whole = gzip.decompress(FINAL.read_bytes())
    events = json.loads(whole)
    events["events"][17]["eventName"] = "Teleport"
    (tmp_path / "1.json").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "2.json").write_text(json.dumps(events))
    (tmp_path / "3.json").write_text('{"rows": []}')
    (tmp_path / "4.json.gz").write_bytes(b"\x1f\x8bnonsense")
    (tmp_path / "5.json").write_bytes(whole)
    status, report, said = replay(tmp_path)
    assert (status, report["fixtures"], report["goals"]) == (0, 1, 6)
    assert len(report["files_rejected"]) == 4
    assert "2.json: events[17].eventName: 'Teleport' is not known" in said
    assert all(f"{number}.json" in said for number in (1, 2, 3, 4))
