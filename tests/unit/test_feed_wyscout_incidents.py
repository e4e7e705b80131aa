"""What Wyscout events say happened: each rule of inference as a table."""

from typing import Any

import msgspec
import pytest

from matchday.feeds.wyscout_incidents import Event, Moment, WyscoutError, incidents

HOME, AWAY = 11, 22
Raw = dict[str, Any]


def event(
    period: str,
    second: float,
    name: str = "Pass",
    sub: str = "",
    team: int = HOME,
    tags: tuple[int, ...] = (),
    **more: Any,
) -> Raw:
    """One event as the provider writes it."""
    return {
        "matchId": 1, "matchPeriod": period, "eventSec": second, "eventName": name, "subEventName": sub, "teamId": team,
        "tags": [{"id": tag} for tag in tags], "playerId": 0, "positions": [], "id": 9, **more,
    }  # fmt: skip


def whole(*told: Raw, periods: tuple[str, ...] = ("1H", "2H")) -> list[Raw]:
    """Events of a match that lasts 2700 s a period, with those told."""
    lasts = {"1H": 2700.4, "2H": 2790.0, "E1": 900.0, "E2": 910.0, "P": 300.0}
    frame = [event(period, second) for period in periods for second in (1.0, lasts[period])]
    return [*frame, *told]


def derived(events: list[Raw]) -> list[Moment]:
    read = msgspec.convert(events, list[Event])
    return incidents([(f"events[{index}]", e) for index, e in enumerate(read)], HOME, AWAY)


def played(*told: Raw, periods: tuple[str, ...] = ("1H", "2H")) -> list[tuple[str, str | None, int]]:
    """(type, side, second) without the whistles."""
    return [(type_.value, side, clock) for _, type_, side, clock in derived(whole(*told, periods=periods)) if side]


def test_a_match_without_incidents_is_its_whistles() -> None:
    assert [(at, type_.value, clock) for at, type_, _, clock in derived(whole())] == [
        (0, "kick_off", 0),
        (2_700_400, "half_time", 2700),
        (3_600_400, "second_half", 0),  # 15 minutes later
        (6_390_400, "full_time", 2790),
        (6_390_400, "over", 2790),
    ]


def test_extra_time_and_shoot_out_follow_after_their_pauses() -> None:
    events = whole(
        event("P", 10, "Free Kick", "Penalty", HOME, (101,)),
        event("P", 40, "Free Kick", "Penalty", AWAY, (1802,)),
        event("P", 40, "Save attempt", "Reflexes", HOME, (101,)),
        periods=("1H", "2H", "E1", "E2", "P"),
    )
    assert [(at - 6_390_400, type_.value, side) for at, type_, side, _ in derived(events)][3:] == [
        (0, "full_time", None),
        (300_000, "extra_time", None),
        (1_200_000, "extra_half_time", None),
        (1_320_000, "extra_second_half", None),
        (2_230_000, "extra_full_time", None),
        (2_530_000, "shoot_out", None),
        (2_540_000, "shoot_out_scored", "home"),
        (2_570_000, "shoot_out_missed", "away"),
        (2_830_000, "over", None),
    ]


@pytest.mark.parametrize(
    ("told", "incident"),
    [
        (event("1H", 60, "Shot", "Shot", AWAY, (101, 1801)), [("goal", "away", 60)]),
        (event("1H", 60, "Free Kick", "Free kick shot", HOME, (101,)), [("goal", "home", 60)]),
        (event("1H", 60, "Save attempt", "Reflexes", HOME, (101,)), []),  # the keeper who let it in
        (event("1H", 60, "Shot", "Shot", AWAY, (1801,)), []),
        (event("1H", 60, "Others on the ball", "Touch", AWAY, (102,)), [("own_goal", "home", 60)]),
        (event("1H", 60, "Free Kick", "Corner", AWAY), [("corner", "away", 60)]),
        (event("2H", 60, "Foul", "Foul", AWAY, (1702,)), [("yellow_card", "away", 60)]),
        (event("2H", 60, "Duel", "Ground defending duel", AWAY, (1702,)), [("yellow_card", "away", 60)]),
        (event("2H", 60, "Foul", "Foul", HOME, (1703,)), [("second_yellow_card", "home", 60)]),
        (event("2H", 60, "Foul", "Foul", HOME, (1702, 1703)), [("second_yellow_card", "home", 60)]),
        (event("2H", 60, "Foul", "Foul", HOME, (1701, 1703)), [("second_yellow_card", "home", 60)]),
        (event("2H", 60, "Foul", "Foul", HOME, (1701, 1702)), [("red_card", "home", 60)]),
        (event("1H", 60, "Interruption", "Ball out of the field", 0), []),  # nobody's
    ],
)
def test_one_event(told: Raw, incident: list[tuple[str, str | None, int]]) -> None:
    assert played(told) == incident


FOUL_AT_900 = event("1H", 900, "Foul", "Foul", AWAY)
KICK_AT_1000 = event("1H", 1000, "Free Kick", "Penalty", HOME, (101,))


@pytest.mark.parametrize(
    ("before", "awarded_s"),
    [
        ([FOUL_AT_900], 900),
        ([FOUL_AT_900, event("1H", 950, "Foul", "Protest", AWAY)], 900),  # protests come after the award
        ([FOUL_AT_900, event("1H", 950, "Foul", "Foul", HOME)], 900),  # the other side's foul
        ([event("1H", 800, "Foul", "Foul", AWAY), FOUL_AT_900], 900),  # the last one
        ([event("1H", 701, "Foul", "Hand foul", AWAY)], 701),  # a long video review
        ([event("1H", 699, "Foul", "Foul", AWAY)], 940),  # too long ago: 60 s before the kick
        ([], 940),
        ([FOUL_AT_900, event("1H", 910, "Shot", "Shot", HOME, (101,))], 940),  # a goal came after the foul
        ([FOUL_AT_900, event("1H", 970, "Shot", "Shot", HOME, (101,))], 970),  # the award not before that goal
        ([event("2H", 950, "Foul", "Foul", AWAY)], 940),  # of another period
    ],
)
def test_a_penalty_is_awarded_before_it_is_taken(before: list[Raw], awarded_s: int) -> None:
    found = [item for item in played(*before, KICK_AT_1000) if item[0].startswith("penalty")]
    assert found == [("penalty_awarded", "home", awarded_s), ("penalty_scored", "home", 1000)]


def test_an_award_is_never_before_the_period_or_after_the_kick() -> None:
    early = event("1H", 20, "Free Kick", "Penalty", AWAY)
    assert played(early) == [("penalty_awarded", "away", 0), ("penalty_missed", "away", 20)]


def test_two_penalties_for_one_foul_are_awarded_one_after_the_other() -> None:
    """A kick that is taken again: its award stands after the first kick, never two awards in a row."""
    again = event("1H", 1030, "Free Kick", "Penalty", HOME)
    assert [type_ for type_, _, _ in played(FOUL_AT_900, KICK_AT_1000, again)] == [
        "penalty_awarded", "penalty_scored", "penalty_awarded", "penalty_missed",
    ]  # fmt: skip


def test_the_award_is_said_before_the_card_for_the_same_foul() -> None:
    foul = event("1H", 900, "Foul", "Foul", AWAY, (1701,))
    assert [type_ for type_, _, _ in played(foul, KICK_AT_1000)] == ["penalty_awarded", "red_card", "penalty_scored"]


@pytest.mark.parametrize(
    ("player", "second", "cards"),
    [(5, 62.0, 1), (6, 62.0, 2), (5, 121.0, 2), (0, 62.0, 2)],
    ids=["same player again", "another player", "a minute later", "player unknown"],
)
def test_a_card_on_two_events_is_one_card(player: int, second: float, cards: int) -> None:
    told = [
        event("1H", 60, "Duel", "Ground defending duel", HOME, (1702,), playerId=5 if player else 0),
        event("1H", second, "Foul", "Foul", HOME, (1702,), playerId=player),
    ]
    assert len(played(*told)) == cards


def test_events_out_of_order_are_put_in_order() -> None:
    told = [
        event("2H", 50, "Free Kick", "Corner"),
        event("1H", 70, "Free Kick", "Corner"),
        event("1H", 9, "Shot", tags=(101,)),
    ]
    assert played(*told) == [("goal", "home", 9), ("corner", "home", 70), ("corner", "home", 50)]


@pytest.mark.parametrize(
    ("events", "place", "reason"),
    [
        (whole(event("1H", 5, "Handball")), "events[4].eventName", "'Handball' is not known"),
        (whole(event("3H", 5)), "events[4].matchPeriod", "'3H' is not known"),
        (whole(event("1H", 5, team=33)), "events[4].teamId", "33 is not one of the two teams"),
        (whole(event("1H", 5, "Shot", team=0)), "events[4].teamId", "0 is not one of the two teams"),
        (whole(event("1H", 5, "Duel", team=0, tags=(1702,))), "events[4].teamId", "0 is not one of the two teams"),
        (whole(periods=("1H",)), "events", "period 2H is missing: the file is not whole"),
        (whole(periods=("2H",)), "events", "period 1H is missing: the file is not whole"),
        (
            whole(periods=("1H", "2H", "E1")),
            "events",
            "over cannot follow period EHT: the file is not whole",
        ),
        (
            whole(periods=("1H", "2H", "E2")),
            "events",
            "extra_second_half cannot follow period FT: the file is not whole",
        ),
    ],
)
def test_what_does_not_fit_is_named_with_its_place(events: list[Raw], place: str, reason: str) -> None:
    with pytest.raises(WyscoutError) as raised:
        derived(events)
    assert (raised.value.place, raised.value.reason) == (place, reason)
