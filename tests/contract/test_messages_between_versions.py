"""Messages between versions: what a former release put on the log, today's code reads, whole, and acts on as it did.

``recorded/RELEASE-kinds.jsonl`` has one message of each kind that the release said, from ``matchday sim``;
``recorded/RELEASE-match.jsonl`` all that was said of one match on ``incidents``, ``fixtures`` and ``decisions``. A
release adds its own two files (CONTRIBUTING.md, *Messages*) and never changes those before.
"""

import json
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest

from matchday.backends.log_sqlite import SqliteLogCore
from matchday.model.book import Books
from matchday.model.messages import BookChanged, BookState, LegsDecided, Message, Topic, decode, encode
from matchday.ports import Record
from matchday.services.settlement import SettlementByFixture
from matchday.sim.clock import VirtualClock
from matchday.sim.inline import InlineLog

FOLDER = Path(__file__).parent / "recorded"
RELEASES = sorted({file.name.rpartition("-")[0] for file in FOLDER.iterdir()})
NEWER = {"letter_retried", "tapped", "bets_settled"}
"""Kinds that no release has said so far."""
Json = dict[str, Any]


def recorded(release: str, what: str) -> list[Json]:
    return [json.loads(line) for line in (FOLDER / f"{release}-{what}.jsonl").read_text().splitlines()]


def left_out(before: Any, after: Any, path: str = "") -> list[str]:
    """What of a value is not there any more, or is another."""
    if isinstance(before, dict):
        return [
            wrong for key, value in before.items()
            for wrong in (left_out(value, after[key], f"{path}.{key}") if key in after else [f"{path}.{key}"])
        ]  # fmt: skip
    if isinstance(before, list) and len(before) <= len(after):
        pairs = enumerate(zip(before, after, strict=False))
        return [wrong for n, (old, new) in pairs for wrong in left_out(old, new, f"{path}[{n}]")]
    return [] if before == after else [f"{path}: {before} is {after}"]


def with_more(value: Any) -> Any:
    """The same as a later release may say it: every object has a field that we do not know."""
    if isinstance(value, dict):
        return {key: with_more(inner) for key, inner in value.items()} | {"from_a_later_release": [1, {"a": None}]}
    return [with_more(inner) for inner in value] if isinstance(value, list) else value


@pytest.mark.parametrize("release", RELEASES)
def test_every_message_is_read_and_nothing_of_it_is_lost(release: str) -> None:
    for line in recorded(release, "kinds"):
        before = json.loads(line["value"])
        after = json.loads(encode(decode(line["value"].encode())))
        defaults = {key: value for key, value in before.items() if key not in after}
        said_again = decode(json.dumps({**after, **defaults}).encode())
        assert encode(said_again) == encode(decode(line["value"].encode())), "what is left out is what is assumed"
        assert not left_out({key: value for key, value in before.items() if key in after}, after), line["value"][:200]


@pytest.mark.parametrize("release", RELEASES)
def test_what_a_later_release_adds_is_passed_over(release: str) -> None:
    for line in recorded(release, "kinds"):
        value = json.loads(line["value"])
        assert decode(json.dumps(with_more(value)).encode()) == decode(line["value"].encode())


def test_every_kind_was_recorded_by_a_release_or_is_newer() -> None:
    said = {json.loads(line["value"])["kind"] for release in RELEASES for line in recorded(release, "kinds")}
    assert said | NEWER == {shape.__struct_config__.tag for shape in get_args(Message)}
    assert not said & NEWER, "a release has said it: take it off the list"


@pytest.mark.parametrize("release", RELEASES)
def test_a_recorded_match_is_decided_as_it_was(release: str) -> None:
    """Stage one of settlement hears a former release's match, and comes to the same for every selection."""
    clock = VirtualClock(seed=1)
    log = InlineLog(SqliteLogCore(":memory:", clock.new_id), clock)
    room = SettlementByFixture(clock, log)
    room.start()
    lines = recorded(release, "match")
    for line in lines:
        if line["topic"] != Topic.DECISIONS:
            log.append([Record(Topic(line["topic"]), line["key"], line["value"].encode())])
            clock.run_for(1)
    clock.run_for(10_000)
    before = [decode(line["value"].encode()) for line in lines if line["topic"] == Topic.DECISIONS]
    after = [decode(stored.value) for stored in log.read(Topic.DECISIONS, -1, 100_000)]
    assert outcomes(after) == outcomes(before)
    assert len(outcomes(after)) > 150


def outcomes(said: list[Message]) -> dict[str, bytes]:
    """Selection -> what it came to in the end."""
    return {
        decision.selection: msgspec.json.encode(decision.outcome)
        for message in said if isinstance(message, LegsDecided) for decision in message.decisions
    }  # fmt: skip


@pytest.mark.parametrize("release", RELEASES)
def test_a_recorded_book_is_held_and_changed(release: str) -> None:
    said = [decode(line["value"].encode()) for line in recorded(release, "kinds")]
    books = Books()
    for state in (message for message in said if isinstance(message, BookState)):
        books.load(state)
        assert books.fixtures[state.fixture].markets
    for change in (message for message in said if isinstance(message, BookChanged)):
        later = msgspec.structs.replace(change, epoch=10**9)
        books.owned(later.epoch, later.share)
        assert books.apply(later, 10**9)
        for market in later.markets:
            assert books.fixtures[later.fixture].markets[market.market] == market
