"""The audit of a drill: a bet that is lost, doubled or told wrongly is noticed, and nothing else is."""

import asyncio
from pathlib import Path

import msgspec
import pytest

from matchday.ops.drill.failover.audit import Findings, Held, audit
from matchday.ops.drill.failover.record import ACCEPTED, Answered, Offer, Offered, Record, read


def offer(outcome: str | None = ACCEPTED, *, id_: str = "i", bet: str = "b") -> Offer:
    answered = None if outcome is None else Answered(id_, 2.0, outcome, bet if outcome == ACCEPTED else "")
    return Offer(Offered(id_, "a", 1.0), answered=answered)


PLACED = Held(id="i", bet="b", stakes=1)
WON = Held(id="i", bet="b", stakes=1, settlements=1, paid=250, due=250)


@pytest.mark.parametrize(
    ("told", "held"),
    [
        (offer(), PLACED),
        (offer(), WON),
        (offer(), Held(id="i", bet="b", stakes=1, settlements=1)),  # a lost bet pays nothing
        (offer(), Held(id="i", bet="b", stakes=1, settlements=0, paid=0, due=0)),  # settled, and taken back
        (offer("price_moved"), Held(id="i", bet=None)),
        (offer("unavailable"), None),
    ],
)
def test_what_is_as_it_was_told_is_not_noticed(told: Offer, held: Held | None) -> None:
    assert audit([told], [held] if held else []) == Findings()


@pytest.mark.parametrize(
    ("held", "says"),
    [
        (None, "answered accepted, and the ledger has no bet of it"),
        (Held(id="i", bet=None), "answered accepted, and the ledger has no bet of it"),
        (Held(id="i", bet="other", stakes=1), "answered as bet b, and the ledger has other"),
        (Held(id="i", bet="b", stakes=0), "bet b took no stake"),
        (msgspec.structs.replace(WON, paid=0), "bet b was paid 0 of 250"),
    ],
)
def test_a_lost_bet_is_noticed(held: Held | None, says: str) -> None:
    found = audit([offer()], [held] if held else [])
    assert found == Findings(lost={"i": says})


@pytest.mark.parametrize(
    ("held", "says"),
    [
        (msgspec.structs.replace(PLACED, stakes=2), "bet b took its stake 2 times"),
        (msgspec.structs.replace(WON, settlements=2), "bet b was settled 2 times"),
        (msgspec.structs.replace(WON, paid=500), "bet b was paid 500 of 250"),
        (msgspec.structs.replace(PLACED, paid=1), "bet b was paid 1 of 0"),
    ],
)
def test_a_doubled_bet_is_noticed(held: Held, says: str) -> None:
    assert audit([offer()], [held]) == Findings(twice={"i": says})


def test_a_bet_of_somebody_who_was_told_otherwise_is_noticed() -> None:
    found = audit([offer("unavailable")], [PLACED, Held(id="j", bet="c", stakes=1)])
    assert found == Findings(untrue={"i": "answered unavailable, and the ledger has bet b", "j": "nobody offered it"})


def test_a_bet_without_an_answer_is_unknown_and_not_lost() -> None:
    assert audit([offer(None)], []) == Findings(unknown=("i",))
    assert audit([offer(None)], [PLACED]) == Findings(unknown=("i",))
    assert audit([offer(None)], [msgspec.structs.replace(PLACED, stakes=2)]).twice


def test_what_was_found_before_is_not_found_again() -> None:
    former = audit([offer()], [])
    later = audit([offer(), offer(id_="j")], [])
    assert (later - former).lost.keys() == {"j"}
    assert later - later == Findings()


# --- the record -------------------------------------------------------------------------------------------------------


def test_the_record_has_on_disk_what_was_waited_for(tmp_path: Path) -> None:
    file = tmp_path / "record"

    async def story() -> None:
        with Record(file) as record:
            record.add(Offered("i", "a", 1.0))
            assert read(file) == {}
            await record.durable()
            assert read(file)["i"].answered is None
            record.add(Answered("i", 2.0, ACCEPTED, "b"))
            record.add(Offered("j", "a", 3.0))
            await record.durable()
            assert [offer.accepted for offer in read(file).values()] == [True, False]

    asyncio.run(story())
    assert list(read(file)) == ["i", "j"]


def test_the_first_answer_is_what_a_fan_was_told(tmp_path: Path) -> None:
    file = tmp_path / "record"
    lines = [Offered("i", "a", 1.0), Answered("i", 2.0, ACCEPTED, "b"), Answered("i", 3.0, "unavailable")]
    file.write_bytes(b"".join(msgspec.json.encode(line) + b"\n" for line in lines))
    assert read(file)["i"].accepted
