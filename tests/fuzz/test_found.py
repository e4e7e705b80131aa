"""What fuzzing has found, each as a test that tells its story."""

import json
import zlib
from pathlib import Path

import pytest

from matchday.backends.log_sqlite import SqliteLogCore
from matchday.config import Odds as OddsSettings
from matchday.config import Settings, SettingsError, load
from matchday.feeds import wyscout_files
from matchday.feeds.prices import PricesError, PriceTable, same_team
from matchday.model.messages import DeadLetter, Topic, decode
from matchday.ports import Record
from matchday.pricing.football import price_book
from matchday.services.odds import Odds
from matchday.services.settlement import SettlementByFixture
from matchday.sim.clock import VirtualClock
from matchday.sim.inline import InlineLog
from tests.unit.doors import Site
from tests.unit.test_feed_wyscout_files import GOAL, content, entry

HEADER = "home_win,draw,away_win,date,home_team,away_team\n"
NOT_MESSAGES = [b'{"kind":"feed_alive","feed":"\xff","at_ms":1}', b'{"kind":"ticked","at_ms":1,"x":' + b"[" * 50_000]


@pytest.mark.parametrize("value", NOT_MESSAGES, ids=["not UTF-8", "endless"])
def test_a_record_that_is_not_utf8_or_endless_is_a_dead_letter(value: bytes) -> None:
    """``decode`` let UnicodeDecodeError and RecursionError through, which no room expects: one such record on
    ``incidents`` stopped odds and settlement, and again at every restart. Found by bytes put into messages.
    Cure: ``decode`` says DecodeError, as documented, and the record goes to the dead letters."""
    clock = VirtualClock(seed=1)
    log = InlineLog(SqliteLogCore(":memory:", clock.new_id), clock)
    Odds(clock, log, price_book, OddsSettings()).start()
    SettlementByFixture(clock, log).start()
    clock.run_for(100)
    log.append([Record(Topic.INCIDENTS, "F", value)])
    clock.run_for(100)
    letters = [decode(stored.value) for stored in log.read(Topic.DEAD_LETTERS, -1, 9)]
    assert {letter.room for letter in letters if isinstance(letter, DeadLetter)} == {"odds", "settlement"}


@pytest.mark.parametrize(
    ("raw", "environment"),
    [
        (b"\xff", {}),
        (b"doors = " + b"[" * 50_000, {}),
        (b"[doors]\npage_max = " + b"9" * 5_000, {}),
        (b"doors = 5", {"MATCHDAY_DOORS_PAGE_MAX": "20"}),
        (b"", {"MATCHDAY_DOORS_PAGE_MAX": "\udcff"}),
    ],
    ids=["not UTF-8", "endless", "a number without end", "a part that is none", "a variable that is not UTF-8"],
)
def test_settings_that_cannot_be_read_are_named(tmp_path: Path, raw: bytes, environment: dict[str, str]) -> None:
    """Each of these ended the start with a traceback that named neither file nor remedy.
    Found by arbitrary TOML and variables: only OSError and TOMLDecodeError were expected of reading.
    Cure: whatever reading or converting may raise is a SettingsError."""
    path = tmp_path / "matchday.toml"
    path.write_bytes(raw)
    with pytest.raises(SettingsError, match=r"matchday\.toml"):
        load(path, environment)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("BETS_WRITERS", "0"),
        ("BETS_WRITER", "1"),
        ("BETS_BATCH_MAX", "0"),
        ("DOORS_PAGE_MAX", "-1"),
        ("ODDS_OVERROUND", "nan"),
        ("STORAGE_LOG_HOURS", "inf"),
        ("ACCOUNTS_CURRENCY", "XXX"),
        ("ACCOUNTS_GRANT", "-1"),
    ],
)
def test_a_setting_that_cannot_be_stops_at_the_start(variable: str, value: str) -> None:
    """Any value was taken: ``writers = 0`` made every bet a division by zero, ``batch_max = 0`` left every bet
    unanswered, currency XXX let no guest in. Found by arbitrary settings.
    Cure: each setting has its range, and the error names the setting."""
    with pytest.raises(SettingsError, match=variable.split("_")[0].lower()):
        load(None, {f"MATCHDAY_{variable}": value})
    assert load(None, {}) == Settings()


@pytest.mark.parametrize("row", ["2,3,4", "2,3,4,2020-01-01", "2,3,4,2020-01-01,Leeds"])
def test_a_row_of_prices_that_ends_early_is_named(tmp_path: Path, row: str) -> None:
    """A row shorter than its header was an AttributeError, or later a TypeError in the middle of a match.
    Found by rows cut anywhere under headers in any order: the csv module gives None for what is missing.
    Cure: what is missing is blank, and a row without date or team is named."""
    path = tmp_path / "prices.csv"
    path.write_text(HEADER + row + "\n")
    with pytest.raises(PricesError, match="row 2"):
        PriceTable.read(path)


def test_a_damaged_gzip_of_prices_is_named(tmp_path: Path) -> None:
    """A flipped bit in a gzipped table of prices was a zlib.error, and the start a traceback.
    Found by bytes put into a gzipped file; zlib.error is no OSError.
    Cure: it is a PricesError, as of any file that is no CSV."""
    path = tmp_path / "prices.csv.gz"
    path.write_bytes(b"\x1f\x8b\x08\0\0\0\0\0\0\xff" + b"\xff" * 20)
    with pytest.raises(PricesError, match=r"prices\.csv\.gz") as raised:
        PriceTable.read(path)
    assert isinstance(raised.value.__cause__, zlib.error)


def test_teams_written_in_another_script_are_not_all_one_team() -> None:
    """A name without a Latin letter had no words, and no words equal no words: Spartak got the prices of Zenit.
    Found while reading what fuzzed rows were matched with.
    Cure: such a name is a word of its own."""
    assert not same_team("Спартак", "Зенит")
    assert same_team("Спартак", "СПАРТАК ")


def test_a_statement_below_the_first_entry_is_empty_and_cannot_be_asked_for(tmp_path: Path) -> None:
    """``before=0`` was answered with the newest page, though the document says that entries count from 1: the ledger
    took 0 for no place, so that whoever counts down to the first entry begins anew. Found by requests that do not fit.
    Cure: the ledger asks for None, and the door turns 0 away as described."""
    site = Site(tmp_path)
    account = site.ask("POST", "/api/guest", {}).json["account"]
    assert site.ledger.statement(account, 0, 10) == []
    reply = site.ask("GET", "/api/account/statement?before=0", token=site.accounts.sign(account)[0])
    assert (reply.status, reply.json["field"]) == (422, "before")


def test_a_label_with_endless_goals_spoils_no_other_match(tmp_path: Path) -> None:
    """A meta file's label with thousands of digits for a score was a ValueError, and no match at all was loaded.
    Found by values put anywhere in a meta file: Python converts no number that long.
    Cure: a score has at most three digits; the label is passed over and the side's own score counts."""
    label = f"Brøndby - København, {'9' * 5_000} - 1"
    (tmp_path / "1.json").write_text(json.dumps(content(GOAL)))
    (tmp_path / "matches_Denmark.json").write_text(json.dumps([entry(label=label)]))
    loaded = wyscout_files.load([tmp_path])
    assert ([match.official for match in loaded.matches], loaded.problems) == ([(0, 1)], [])
