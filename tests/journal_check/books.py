"""Books: fixtures, incidents, results and markets, by the rules of a book and the provider's files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from tests.journal_check.lines import quarters_of
from tests.journal_check.provider import CARDS, GOALS, PERIOD_START_S, Goal, Match, Score
from tests.journal_check.report import Row
from tests.journal_check.results import OF_THE_TIE, leader, through, true_result, when_stopped
from tests.journal_check.state import ENDINGS, Fixture, Market, State

CLOCK_TOLERANCE_S: Final = 2.0
PERIOD_WORDS: Final = {
    **dict.fromkeys(("1h", "h1", "1", "first_half"), "1H"),
    **dict.fromkeys(("2h", "h2", "2", "second_half"), "2H"),
    **dict.fromkeys(("e1", "3", "extra_first_half", "first_extra_half", "extra_time_first_half"), "E1"),
    **dict.fromkeys(("e2", "4", "extra_second_half", "second_extra_half", "extra_time_second_half"), "E2"),
    **dict.fromkeys(("p", "5", "shoot_out", "penalties"), "P"),
}
KICKS: Final = frozenset({"shoot_out_scored", "shoot_out_missed"})
MATERIAL: Final = GOALS | KICKS | {"penalty_awarded", "red_card", "second_yellow_card"}
TALLIED: Final = frozenset({
    "penalty_awarded", "penalty_missed", "shoot_out_scored", "shoot_out_missed", "yellow_card", "second_yellow_card",
    "red_card", "corner",
})  # fmt: skip
MOVES: Final = {
    "inactive": {"inactive", "open", "suspended", "closed"},
    "open": {"open", "suspended", "closed"},
    "suspended": {"suspended", "open", "closed"},
    "closed": {"closed"},
}
WHISTLES: Final = ("full_time", "extra_full_time", "extra_time", "shoot_out", "over")
COUNTED_BY: Final = {"corner": "total_corners", **dict.fromkeys(CARDS, "total_cards")}
"""What begins a new generation of it."""


class Books:
    """Judges what is told of fixtures and markets."""

    def __init__(self, state: State) -> None:
        self._state = state

    # ------------------------------------------------ fixtures

    def on_fixture(self, row: Row) -> None:
        """A fixture was announced."""
        state, fixture = self._state, self._state.fixture(row["fixture"])
        fixture.announced = True
        fixture.void_at_ms, fixture.status = row.get("void_at_ms", 0), None
        if fixture.match is None:
            return
        told, knockout = row.get("knockout", False), fixture.match.knockout
        state.judge(told == knockout, "knock-out round", lambda: f"{fixture.id}: {told}, provider {knockout}")
        self._on_winner(fixture, fixture.match)
        if fixture.match.official:
            derived, official = (fixture.match.facts.regular, fixture.match.total), fixture.match.official
            state.judge(derived == official, "goals are the official score", lambda: f"{derived}, official {official}")
        else:
            state.report.unchecked("goals are the official score", "no official score")
        for side, other in (("home", "away"), ("away", "home")):
            told = str(row[side]).lower()
            if told in fixture.match.names[side] | fixture.match.names[other]:
                good = told in fixture.match.names[side]
                text = f"{fixture.id}: {told} is the {other} side"
                state.report.judge(good, state.line, "sides of a fixture", text)
            else:
                state.report.unchecked("sides of a fixture", "the provider knows no team of this name")

    def _on_winner(self, fixture: Fixture, match: Match) -> None:
        if match.knockout and match.winner is not None:
            found = through(match.facts)
            text = f"{fixture.id}: {found} by goals and kicks, official {match.winner}"
            self._state.judge(found == match.winner, "who goes through is official", lambda: text)

    def _announced(self, row: Row) -> Fixture:
        """The fixture of a line, which has been announced."""
        fixture = self._state.fixture(row["fixture"])
        self._state.judge(fixture.announced, "announced before", lambda: f"{row['kind']} of {fixture.id}")
        return fixture

    def on_incident(self, row: Row) -> None:
        """Something happened on the pitch."""
        state, fixture = self._state, self._announced(row)
        kind, side = row["type"], row.get("side")
        told = (int(row["score"][0]), int(row["score"][1]))
        home, away = fixture.score
        goal = kind in GOALS
        expected = (home + (goal and side == "home"), away + (goal and side == "away"))
        state.judge(told == expected, "score", lambda: f"{fixture.id} {kind} {side}: {told}, goals so far {expected}")
        fixture.score, fixture.begun = told, True
        fixture.status = None if fixture.status == "postponed" else fixture.status
        if not fixture.full_time:
            _count(fixture, kind, side, told)
        if kind in MATERIAL:
            fixture.unsuspended = {market.id for market in fixture.markets.values() if market.status == "open"}
        period = PERIOD_WORDS.get(str(row.get("period")).lower(), str(row.get("period")))
        if goal:
            fixture.goals.append((state.line, Goal(period, float(row["clock_s"]), str(side), kind)))
        if kind in TALLIED:
            fixture.tallies[kind, str(side)] += 1
        if kind == "shoot_out_scored":
            fixture.kicks = (fixture.kicks[0] + (side == "home"), fixture.kicks[1] + (side == "away"))
        fixture.full_time = fixture.full_time or kind == "full_time"
        fixture.over = fixture.over or kind == "over"
        if kind in WHISTLES:
            fixture.played_out = kind.endswith("full_time") and leader(told) != "draw"
            fixture.decided.clear()

    def on_result(self, row: Row) -> None:
        """A result was confirmed, or a match broken off."""
        state, fixture = self._state, self._announced(row)
        if row["status"] not in (*ENDINGS, "postponed"):
            raise ValueError(f"status {row['status']}")
        fixture.status, fixture.status_ms = row["status"], row["t_ms"]
        told = tuple(row["score"]) if row.get("score") is not None else None
        if fixture.status != "finished":
            state.report.unchecked("result", f"the match was {fixture.status}")
        elif fixture.match is None:
            state.report.unchecked("result", "no provider file")
        else:
            total = fixture.match.total
            state.judge(told == total, "result", lambda: f"{fixture.id}: {told}, provider {total}")
            state.judge(told == fixture.score, "result", lambda: f"{fixture.id}: {told}, incidents {fixture.score}")

    # ------------------------------------------------ markets

    def on_alive(self, row: Row) -> None:
        """The gate last heard then that the owner of the books is alive."""
        heard_ms, before = row["heard_ms"], self._state.alive_ms
        good = before < heard_ms <= row["t_ms"]
        self._state.judge(good, "alive", lambda: f"heard at {heard_ms}, after {before}")
        self._state.alive_ms = heard_ms

    def on_book(self, row: Row) -> None:
        """The gate heard of markets that changed."""
        fixture = self._announced(row)
        version, last = (row["epoch"], row["n"]), fixture.version
        good = last is None or version > last
        self._state.judge(good, "book order", lambda: f"{fixture.id}: {version} after {last}")
        fixture.version = version if last is None else max(version, last)
        for item in row["markets"]:
            self._on_market(fixture, item)

    def _on_market(self, fixture: Fixture, item: Row) -> None:
        state, name, status, generation = self._state, item["market"], item["status"], item["generation"]
        if status not in MOVES:
            raise ValueError(f"market status {status}")
        market = fixture.markets.get(name)
        if market is None:
            market = self._new_market(fixture, item)
        else:
            before, was = market.generation, market.status
            state.judge(status in MOVES[was], "market status", lambda: f"{name}: {was} to {status}")
            rises = generation > before if (was, status) == ("open", "suspended") else generation >= before
            state.judge(rises, "generation", lambda: f"{name}: {before} ({was}) to {generation} ({status})")
            market.status, market.generation, market.raw, market.prices = status, generation, item["selections"], None
        market.stake_max = item.get("stake_max")
        if generation > fixture.outdated.get(name, generation):
            del fixture.outdated[name]
        if status == "open":
            market.was_open = True
            late = next((each["selection"] for each in item["selections"] if market.decided(each["selection"])), None)
            text = f"{late or name} is open at {fixture.regular}" + (" after full time" if fixture.full_time else "")
            state.report.judge(late is None, state.line, "decided market is not open", text)
        else:
            fixture.unsuspended.discard(name)

    def _new_market(self, fixture: Fixture, item: Row) -> Market:
        state, name, kind, line = self._state, item["market"], item["type"], item.get("line")
        raw = item["selections"]
        market = Market(name, fixture, kind, quarters_of(line), item["status"], item["generation"], raw)
        market.all = tuple(selection["selection"] for selection in raw)
        if kind in OF_THE_TIE and fixture.match is not None:
            knockout = fixture.match.knockout
            state.judge(knockout, "knock-out round", lambda: f"{name} is asked in another round")
        expected = f"{fixture.id}:{kind}" + ("" if line is None else f"@{line}")
        state.judge(name == expected, "book ids", lambda: f"{name}, expected {expected}")
        for selection in raw:
            good = selection["selection"] == f"{name}/{selection['outcome']}"
            state.judge(good, "book ids", lambda: f"{selection['selection']} of {name}")  # noqa: B023 - called at once
        fixture.markets[name] = state.markets[name] = market
        return market

    # ------------------------------------------------ the end

    def finish(self) -> None:
        """Judges what only the whole journal shows of fixtures and markets."""
        self._finish_goals()
        for fixture in self._state.fixtures.values():
            self._finish_tallies(fixture)
            self._finish_confirmed(fixture)
            for market in fixture.markets.values():
                self._finish_market(market)

    def _finish_goals(self) -> None:
        """Compares goals; the journal counts its clock either from kick-off (2700 at half time) or from each period."""
        report, fixtures = self._state.report, self._state.fixtures.values()
        played = [fixture for fixture in fixtures if fixture.match is not None]
        readings = [[compare_goals(fixture, clock) for fixture in played] for clock in (True, False)]
        nearest = min(readings, key=lambda reading: sum(len(found) for found, _ in reading))
        for fixture, (found, unseen) in zip(played, nearest, strict=True):
            report.checked["goals"] += len(fixture.goals)
            for line, text in found:
                report.judge(False, line, "goals", f"{fixture.id}: {text}")
            if unseen:
                report.unchecked("goals", "after the journal's end of the match", unseen)
        if silent := len(fixtures) - len(played):
            report.unchecked("goals", "fixtures without a provider file", silent)

    def _finish_tallies(self, fixture: Fixture) -> None:
        if fixture.match is None or not (fixture.over or fixture.status == "finished"):
            self._state.report.unchecked("other incidents", "no provider file, or not over in the journal")
            return
        truth, told = fixture.match.tallies, fixture.tallies
        for key in sorted(truth.keys() | {key for key in told if key[0] in TALLIED}):
            text = f"{fixture.id} {' '.join(key)}: {told[key]}, provider {truth[key]}"
            self._state.report.judge(told[key] == truth[key], fixture.line, "other incidents", text)

    def _finish_confirmed(self, fixture: Fixture) -> None:
        """What was decided is confirmed if the match has ended, and only then."""
        state = self._state
        versions = [v for s, (_, v, _) in state.decisions.items() if s.startswith(f"{fixture.id}:")]
        last = max(versions, default=0)
        good = (fixture.confirmed is not None and fixture.confirmed >= last) if fixture.ended else not fixture.confirmed
        text = f"{fixture.id} ({fixture.status}): confirmed up to {fixture.confirmed}, decided up to {last}"
        state.report.judge(good, fixture.line, "decisions are confirmed", text)

    def _finish_market(self, market: Market) -> None:
        state, fixture = self._state, market.fixture
        over = fixture.ended or all(market.decided(selection) for selection in market.all)
        if over:
            closed = market.status == "closed"
            state.judge(closed, "decided market is closed", lambda: f"{market.id} is {market.status} at the end")
        for selection in market.all:
            decision = state.decisions.get(selection)
            if decision is None:
                if over and market.was_open:
                    state.report.judge(False, fixture.line, "decision", f"{selection}: never decided")
                continue
            true, why = true_of(state, selection)
            if true is None:
                state.report.unchecked("decision", why)
            else:
                text = f"{selection}: {decision[0]}, expected {true}"
                state.report.judge(decision[0] == true, decision[2], "decision", text)


def _count(fixture: Fixture, kind: str, side: Any, told: Score) -> None:
    """Takes in what an incident of regular time is to the markets."""
    fixture.regular = told
    fixture.decided.clear()
    if kind == "half_time":
        fixture.half, fixture.half_over = told, True
    if kind in GOALS:
        fixture.order += (str(side),)
    fixture.corners += kind == "corner"
    fixture.cards += kind in CARDS
    for market in fixture.markets.values() if kind in COUNTED_BY else ():
        if market.kind == COUNTED_BY[kind] and market.status == "open":
            fixture.outdated[market.id] = market.generation


def true_of(state: State, selection: str) -> tuple[str | None, str]:
    """(the true result of a selection by the provider's files, or None and the reason why it is not known)."""
    market = state.markets.get(selection.rpartition("/")[0])
    if market is None:
        return None, "a market that is in no book"
    fixture, outcome = market.fixture, selection.rpartition("/")[2].lower()
    status = "cancelled" if fixture.out_of_time else fixture.status
    if status == "postponed":
        return None, "postponed: it may still be played"
    stopped = not fixture.full_time or (market.kind in OF_THE_TIE and not fixture.over)
    if status == "cancelled" or (status in ENDINGS - {"finished"} and stopped):
        found = when_stopped(str(status), market.kind, market.quarters, outcome, fixture.facts())
        return found, "unknown market or outcome"
    if fixture.match is None:
        return None, "no provider file"
    return true_result(market.kind, market.quarters, outcome, fixture.match.facts), "unknown market or outcome"


def compare_goals(fixture: Fixture, from_kick_off: bool) -> tuple[list[tuple[int, str]], int]:
    """((line, text) of every way in which a journal's goals differ from the provider's, goals it did not get to)."""
    assert fixture.match is not None
    told = [
        (line, goal._replace(clock_s=goal.clock_s - (PERIOD_START_S.get(goal.period, 0) if from_kick_off else 0)))
        for line, goal in fixture.goals
    ]
    left = list(range(len(told)))
    order: list[int] = []
    missing: list[tuple[Goal, bool]] = []
    for goal in reversed(fixture.match.goals):
        index = next((i for i in reversed(left) if _same_goal(goal, told[i][1])), None)
        if index is None:
            missing.insert(0, (goal, bool(order) or _must_be_told(fixture, goal)))
        else:
            left.remove(index)
            order.insert(0, index)
    found = _unmatched(told, left, missing)
    lost = missing[len(left) :]
    found += [(fixture.line, f"{goal} is not in the journal") for goal, certain in lost if certain]
    if order != sorted(order):
        found.append((fixture.line, "the goals stand in another order"))
    return found, sum(1 for _, certain in lost if not certain)


def _unmatched(
    told: Sequence[tuple[int, Goal]], left: Sequence[int], missing: Sequence[tuple[Goal, bool]]
) -> list[tuple[int, str]]:
    """What is told and is no goal of the provider's, beside the goals that it may be meant for."""
    found = [(told[i][0], f"{told[i][1]}, provider {goal}") for i, (goal, _) in zip(left, missing, strict=False)]
    return found + [(told[i][0], f"{told[i][1]} is not in the provider's file") for i in left[len(missing) :]]


def _must_be_told(fixture: Fixture, goal: Goal) -> bool:
    """Whether the journal goes on beyond the period of a goal."""
    return fixture.over or fixture.status == "finished" or (fixture.full_time and goal.period in ("1H", "2H"))


def _same_goal(goal: Goal, told: Goal) -> bool:
    same = (goal.period, goal.side, goal.type) == (told.period, told.side, told.type)
    return same and abs(goal.clock_s - told.clock_s) <= CLOCK_TOLERANCE_S
