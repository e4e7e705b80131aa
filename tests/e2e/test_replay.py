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
FEW = [DATA / "worldcup2018" / f"{number}.json.gz" for number in (2058017, 2058005, 2058015, 2057962)]


def replay(*words: object) -> tuple[int, dict[str, Any], str]:
    done = subprocess.run(
        [sys.executable, "-m", "matchday", "replay", *map(str, words), "--json"],
        check=False,
        capture_output=True,
        text=True,
    )
    return done.returncode, json.loads(done.stdout), done.stderr


def test_an_outsider_settles_every_bet_again(tmp_path: Path) -> None:
    """The final, a shoot-out, extra time and a plain match, with fans who try everything."""
    journal = tmp_path / "journal"
    status, report, _ = replay(*FEW, "--meta", DATA / "meta", "--bettors", 200, "--seed", 3, "--journal", journal)
    assert (status, report["fixtures"], report["scores_right"]) == (0, 4, 4)
    assert report["bets_accepted"] == report["bets_settled"] > 200
    assert (report["bets_open"], report["money_conserved"]) == (0, True)
    assert report["retries"] == report["retries_same_answer"] > 0
    check = subprocess.run(
        [sys.executable, str(CHECKER), str(journal), *map(str, FEW), "--meta", str(DATA / "meta"), "--json"],
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert json.loads(check.stdout)["differences_total"] == 0, check.stdout[-2000:]


def test_the_same_seed_gives_the_same_journal(tmp_path: Path) -> None:
    texts = []
    for name, seed in (("a", 5), ("b", 5), ("c", 6)):
        replay(FEW[0], "--meta", DATA / "meta", "--bettors", 40, "--seed", seed, "--journal", tmp_path / name)
        texts.append((tmp_path / name).read_text())
    assert texts[0] == texts[1] != texts[2]


def test_a_score_altered_in_the_meta_file_is_noticed(tmp_path: Path) -> None:
    rows = json.loads(gzip.decompress((DATA / "meta" / "matches_World_Cup.json.gz").read_bytes()))
    final = next(row for row in rows if row["wyId"] == 2058017)
    final["teamsData"]["4418"]["score"] = 5
    (tmp_path / "matches_World_Cup.json").write_text(json.dumps(rows))
    status, report, _ = replay(*FEW, "--meta", tmp_path)
    assert (status, report["scores_right"], len(report["scores_wrong"])) == (1, 3, 1)


def test_files_that_are_none_are_named_and_the_others_go_on(tmp_path: Path) -> None:
    whole = gzip.decompress(FEW[0].read_bytes())
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
