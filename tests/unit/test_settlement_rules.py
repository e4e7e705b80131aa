"""The settlement rules as tables: how the match stood when it ended, how it ended, and what each market then comes to.

Sources are those of ``football_rules.RULES``; a row here is what the rule means for one selection.
"""

import re
from itertools import takewhile
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matchday.model.bet import VOID, Outcome
from matchday.model.football import FootballState
from matchday.model.football_markets import KINDS, Counts, decisions
from matchday.model.football_rules import ENDINGS, RULES, Then, outcomes
from matchday.model.messages import OVER, FixtureScheduled, FixtureSnapshot, FixtureStatus, decode, encode
from matchday.pricing.calibrate import PRIOR
from tests.unit.test_football_markets import matches, play

S = FixtureStatus

# The story so far (as in test_football_markets; "-" is before kick-off) and how it ended; then selections and what they
# come to. "?" is undecided: it waits.
TABLE = """
home HT away            | abandoned | total_goals@1.5/over=won total_goals@1.5/under=lost next_goal@1/home=won
home HT away            | abandoned | 1x2/draw=void total_goals@2.5/under=void correct_score/1-1=void to_qualify/home=void
home HT away            | abandoned | correct_score/0-0=lost half_time_full_time/away-away=lost
home HT away            | abandoned | half_time_full_time/home-draw=void both_teams_to_score/yes=won odd_even/even=void
home HT away            | abandoned | half_time_result/home=won first_half_goals@1.5/under=won asian_handicap@0.0/home=void
home                    | abandoned | half_time_result/home=void first_half_goals@0.5/over=won first_half_goals@1.5/over=void
-                       | abandoned | 1x2/home=void next_goal@1/none=void
home HT FT              | abandoned | 1x2/home=won to_qualify/home=won
home HT away FT         | abandoned | 1x2/draw=won total_corners@9.5/under=won to_qualify/home=void
home HT away FT ET home | abandoned | 1x2/draw=won to_qualify/home=void
home HT away            | shortened | 1x2/draw=won total_goals@2.5/under=won correct_score/1-1=won odd_even/even=won
home HT away            | shortened | asian_handicap@0.5/home=won draw_no_bet/home=void half_time_full_time/home-draw=won
home HT away            | shortened | next_goal@3/none=won to_qualify/home=void half_time_result/home=won
home HT                 | shortened | 1x2/home=won to_qualify/home=won to_qualify/away=lost total_goals@1.25/under=half_won
home HT corner          | shortened | total_corners@9.5/under=void total_corners@9.5/over=void total_cards@3.5/under=void
home HT yellow yellow   | shortened | total_cards@1.5/over=won total_cards@1.5/under=lost total_cards@2.5/over=void
home                    | shortened | 1x2/home=won half_time_result/home=void first_half_goals@0.5/over=won
home                    | shortened | half_time_full_time/home-home=void first_half_goals@1.5/under=void
home HT away FT ET home | shortened | 1x2/draw=won to_qualify/home=won
-                       | awarded   | 1x2/home=void to_qualify/home=void total_goals@0.5/over=void
home HT away            | awarded   | total_goals@1.5/over=won 1x2/home=void 1x2/draw=void to_qualify/home=void
home HT away home FT    | awarded   | 1x2/home=won to_qualify/home=won total_goals@2.5/over=won
-                       | postponed | 1x2/home=? total_goals@0.5/over=? to_qualify/home=?
-                       | cancelled | 1x2/home=void to_qualify/away=void half_time_result/draw=void
home HT away            | cancelled | total_goals@1.5/over=void half_time_result/home=void 1x2/draw=void
home HT away FT         | finished  | 1x2/draw=won to_qualify/home=void
home HT away FT ET EFT P scored OVER | finished | 1x2/draw=won to_qualify/home=won to_qualify/away=lost
home HT away            | finished  | 1x2/draw=won total_corners@9.5/under=won next_goal@3/none=won
home HT away            | unknown   | total_goals@1.5/over=won 1x2/draw=? half_time_result/home=won
""".strip().splitlines()  # noqa: E501 - a table


def stood(story: str) -> FootballState:
    return FootballState(knockout=True) if story == "-" else play(story)


def name(outcome: Outcome | None) -> str:
    return "?" if outcome is None else outcome.result.value


@pytest.mark.parametrize("row", TABLE)
def test_what_an_ending_makes_of_it(row: str) -> None:
    story, ending, told = (part.strip() for part in row.split("|"))
    found = outcomes(stood(story), FixtureStatus(ending))
    expected = dict(word.rsplit("=", 1) for word in told.split())
    assert {selection: name(found[selection]) for selection in expected} == expected


def test_the_table_says_one_thing_of_each_ending_and_market() -> None:
    said = [(rule.ending, counts) for rule in RULES for counts in rule.counts]
    assert len(said) == len(set(said))
    assert {ending for ending, _ in said} == set(S) - {S.SCHEDULED, S.LIVE}
    assert {counts for _, counts in said} == set(Counts) == {kind.counts for kind in KINDS.values()}
    assert ENDINGS == OVER - {S.UNKNOWN} == set(S) - {S.SCHEDULED, S.LIVE, S.POSTPONED, S.UNKNOWN}
    assert {row.split("|")[1].strip() for row in TABLE} == {ending.value for ending, _ in said}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{rule.ending} {rule.undecided}")
def test_every_rule_has_a_source_or_says_that_it_is_ours(rule: object) -> None:
    source = getattr(rule, "source").lower()  # noqa: B009 - a NamedTuple by its field
    assert "https://" in source or "house rule" in source


PAGE = (Path(__file__).parents[2] / "docs" / "rules.md").read_text()


def table(head: str) -> list[list[str]]:
    """The rows of the page's table that begins so."""
    lines = PAGE.partition(f"| {head} |")[2].splitlines()[2:]
    rows = takewhile(lambda line: line.startswith("|"), lines)
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in rows]


def test_the_page_for_people_says_the_same() -> None:
    rules = table("ending | what the market counts")
    everything = "; ".join(Counts)
    told = [(ending, frozenset(counts.replace("everything", everything).split("; ")), decided, undecided)
            for ending, counts, decided, undecided, _ in rules]  # fmt: skip
    assert told == [(rule.ending, frozenset(rule.counts), rule.decided, rule.undecided) for rule in RULES]
    for (*_, source), rule in zip(rules, RULES, strict=True):
        assert set(re.findall(r"https://[^\s)]+", source)) <= set(re.findall(r"https://[^\s:]+[^\s:.]", rule.source))
        assert ("house rule" in source.lower()) == ("house rule" in rule.source.lower())
    assert {ending for ending, _ in table("ending | means")} == {rule.ending for rule in RULES}
    counts = {name: set(re.findall("`(.*?)`", markets)) for name, markets, _ in table("counts | markets")}
    assert counts == {part: {name for name, kind in KINDS.items() if kind.counts == part} for part in Counts}


states = matches().flatmap(st.sampled_from)


@given(states, st.sampled_from(sorted(ENDINGS)), st.booleans())
def test_the_decided_stand_and_a_final_ending_leaves_nothing_open(
    state: FootballState, ending: FixtureStatus, knockout: bool
) -> None:
    state = msgspec.structs.replace(state, knockout=knockout)
    before, after = decisions(state), outcomes(state, ending)
    assert before.keys() == after.keys()
    assert None not in after.values()
    if ending == S.CANCELLED:
        assert set(after.values()) == {VOID}
        return
    for selection, outcome in before.items():
        assert outcome in (None, after[selection])
        if outcome is None and ending in (S.ABANDONED, S.AWARDED):
            assert after[selection] == VOID


@given(states)
def test_a_match_that_was_played_to_its_end_comes_to_the_same_however_it_is_called(state: FootballState) -> None:
    if state.regular_over:
        found = [outcomes(state, ending) for ending in (S.FINISHED, S.SHORTENED, S.ABANDONED, S.AWARDED)]
        assert all(each == found[0] == decisions(state) for each in found)


@given(states)
def test_what_waits_is_what_was_not_decided(state: FootballState) -> None:
    assert outcomes(state, S.POSTPONED) == outcomes(state, S.UNKNOWN) == decisions(state)


def test_an_official_result_pays_goals_as_if_the_match_were_over_and_nothing_else() -> None:
    state = play("home HT away corner yellow")
    official, finished = outcomes(state, S.SHORTENED), outcomes(state, S.FINISHED)
    differing = {selection.partition("/")[0].partition("@")[0] for selection in official
                 if official[selection] != finished[selection]}  # fmt: skip
    assert differing == {"total_corners", "total_cards"}
    assert Then.RESULT not in {rule.decided for rule in RULES}


def test_a_status_of_a_later_release_is_read_and_settles_nothing() -> None:
    scheduled = FixtureScheduled("F", 1, "feed", "football", "Cup", "a", "b", 0, 0, PRIOR)
    snapshot = FixtureSnapshot(scheduled, 2, S.ABANDONED, FootballState(), 0)
    later = encode(snapshot).replace(b'"abandoned"', b'"swallowed by the earth"')
    read = decode(later)
    assert isinstance(read, FixtureSnapshot)
    assert (read.status, read.status in OVER) == (S.UNKNOWN, True)
    with pytest.raises(msgspec.ValidationError):
        decode(encode(snapshot).replace(b'"abandoned"', b"7"))


def test_a_fixture_of_before_these_rules_is_read() -> None:
    scheduled = FixtureScheduled("F", 1, "feed", "football", "Cup", "a", "b", 0, 0, PRIOR)
    fields = msgspec.to_builtins(scheduled)
    del fields["knockout"], fields["void_at_ms"]
    assert decode(msgspec.json.encode(fields)) == scheduled
