"""What every ledger promises of a fan's own limits (UKGC RTS 12; sportsbook rules §3.7): tables. Every batch twice."""

from typing import Final

import pytest

from matchday.model.bet import OUTCOMES, Outcome, Result, dead_heat
from matchday.model.ledger import (
    ID_MEMORY_MS,
    Answer,
    CashOut,
    GrantFreeBet,
    LimitName,
    LimitView,
    Refusal,
    SetLimit,
    SettleBet,
)
from matchday.ports import Ledger
from matchday.sim.clock import VirtualClock

from .conftest import World
from .test_ledger import DAY, NOW, A, balance, bet, commit, decide, opened

HOUR: Final = 3_600_000
MIDNIGHT: Final = NOW // DAY * DAY + DAY
"""A first one: hours below count from it."""
NO_LIMIT: Final = 10**15
"""With which accounts are opened: no bet here meets it."""
STAKE, LOSS = Refusal.STAKE_LIMIT_REACHED, Refusal.LOSS_LIMIT_REACHED
D, W, M = LimitName.STAKE_DAY, LimitName.STAKE_WEEK, LimitName.STAKE_MONTH
LD, LW, LM = LimitName.LOSS_DAY, LimitName.LOSS_WEEK, LimitName.LOSS_MONTH
ENDS: Final[dict[str, Outcome]] = {
    # what a stake of 10 at 1.60 returns
    "lost": OUTCOMES[Result.LOST],  # 0
    "heat": dead_heat(1, 2),  # 8
    "void": OUTCOMES[Result.VOID],  # 10
    "won": OUTCOMES[Result.WON],  # 16
}
Step = tuple[float, str, int | str | None, Refusal | None]
"""(hour, what, of what, refused as): a bet of a stake, a limit of an amount, or how the last bet ended."""


class Diary:
    """What a fan does at which hour."""

    def __init__(self, world: World, ledger: Ledger) -> None:
        self.world, self.ledger = world, ledger
        self.bets = self.asked = 0
        commit(world, ledger, opened(per_day=NO_LIMIT))

    def at_ms(self, hour: float) -> int:
        return MIDNIGHT + round(hour * HOUR)

    def limit(self, hour: float, name: LimitName, amount: int | None) -> Answer:
        at_ms = self.at_ms(hour)
        return commit(self.world, self.ledger, [SetLimit(f"{name}:{amount}:{at_ms}", A, amount, at_ms, name)])[0]

    def bet(self, hour: float, stake: int) -> Answer:
        at_ms = self.at_ms(hour)
        self.asked += 1
        id_ = VirtualClock(self.asked, at_ms).new_id()
        name = f"b{self.bets + 1}"
        asked = bet(stake, id_=id_, name=name, price=1_600, selection=f"F:1x2/{name}", at_ms=at_ms)
        answer = commit(self.world, self.ledger, [asked])[0]
        self.bets += answer.refusal is None
        return answer

    def ended(self, hour: float, how: str) -> None:
        name, at_ms = f"b{self.bets}", self.at_ms(hour)
        settled = SettleBet(f"settle:{name}:{at_ms}", name, A, at_ms)
        commit(self.world, self.ledger, [decide(round(hour * 10) + 9_000, ENDS[how], f"F:1x2/{name}"), settled])

    def step(self, name: LimitName, step: Step) -> Refusal | None:
        hour, what, of_what, _ = step
        if what == "bet":
            assert isinstance(of_what, int)
            return self.bet(hour, of_what).refusal
        if what == "limit":
            assert not isinstance(of_what, str)
            return self.limit(hour, name, of_what).refusal
        assert isinstance(of_what, str)
        self.ended(hour, of_what)
        return None

    def shown(self, name: LimitName) -> LimitView:
        """As the account shows it, by the ledger's own clock."""
        view = self.ledger.account(A)
        assert view is not None
        return view.limit(name)


@pytest.fixture
def diary(world: World, ledger: Ledger) -> Diary:
    return Diary(world, ledger)


STORIES: Final[list[tuple[str, LimitName, list[Step]]]] = [
    ("a day begins at midnight", D, [
        (0, "limit", 10, None), (1, "bet", 6, None), (2, "bet", 4, None), (3, "bet", 1, STAKE), (23.9, "bet", 1, STAKE),
        (24, "bet", 10, None), (25, "bet", 1, STAKE),
    ]),
    ("a week is seven days with today's", W, [
        (0, "limit", 10, None), (1, "bet", 6, None), (6 * 24 + 23, "bet", 5, STAKE), (6 * 24 + 23, "bet", 4, None),
        (7 * 24, "bet", 7, STAKE), (7 * 24, "bet", 6, None), (13 * 24, "bet", 5, STAKE), (13 * 24, "bet", 4, None),
    ]),
    ("a month is thirty days with today's", M, [
        (0, "limit", 10, None), (1, "bet", 6, None), (15 * 24, "bet", 3, None), (29 * 24 + 23, "bet", 2, STAKE),
        (29 * 24 + 23, "bet", 1, None), (29 * 24 + 23.5, "bet", 1, STAKE), (30 * 24, "bet", 7, STAKE),
        (30 * 24, "bet", 6, None),
    ]),
    ("stakes count whatever came back of them", D, [
        (0, "limit", 10, None), (1, "bet", 10, None), (2, "ended", "won", None), (3, "bet", 1, STAKE),
    ]),
    ("bet 10, win 8: a loss of 2", LD, [
        (0, "limit", 12, None), (1, "bet", 10, None), (2, "bet", 3, LOSS), (3, "ended", "heat", None),
        (4, "bet", 11, LOSS), (5, "bet", 10, None),
    ]),
    ("a stake is lost until something comes back", LD, [
        (0, "limit", 10, None), (1, "bet", 10, None), (2, "bet", 1, LOSS), (3, "ended", "lost", None),
        (4, "bet", 1, LOSS),
    ]),
    ("a void bet is no loss", LD, [
        (0, "limit", 10, None), (1, "bet", 10, None), (2, "ended", "void", None), (3, "bet", 10, None),
    ]),
    ("what was won may be lost again", LD, [
        (0, "limit", 10, None), (1, "bet", 10, None), (2, "ended", "won", None), (3, "bet", 17, LOSS),
        (3, "bet", 16, None),
    ]),
    ("what comes back counts on the day on which it does", LD, [
        (0, "limit", 10, None), (1, "bet", 10, None), (24, "bet", 1, None), (25, "ended", "lost", None),
        (26, "bet", 10, LOSS), (27, "bet", 9, None),
    ]),
    ("a corrected result is a loss after all", LD, [
        (0, "limit", 10, None), (1, "bet", 10, None), (2, "ended", "won", None), (3, "ended", "lost", None),
        (4, "bet", 1, LOSS),
    ]),
    ("losses of a week", LW, [
        (0, "limit", 10, None), (1, "bet", 10, None), (2, "ended", "lost", None), (6 * 24, "bet", 1, LOSS),
        (7 * 24, "bet", 10, None),
    ]),
    ("losses of a month", LM, [
        (0, "limit", 10, None), (1, "bet", 10, None), (2, "ended", "heat", None), (29 * 24, "bet", 9, LOSS),
        (29 * 24, "bet", 8, None), (29 * 24, "ended", "lost", None), (30 * 24, "bet", 3, LOSS),
        (30 * 24, "bet", 2, None),
    ]),
    ("lower: at once", D, [(0, "limit", 10, None), (1, "limit", 5, None), (1, "bet", 6, STAKE), (1, "bet", 5, None)]),
    ("higher: after 24 hours", D, [
        (0, "limit", 5, None), (1, "limit", 10, None), (1, "bet", 6, STAKE), (24.9, "bet", 6, STAKE),
        (25, "bet", 10, None),
    ]),
    ("removed: after 24 hours", D, [
        (0, "limit", 5, None), (1, "limit", None, None), (24.9, "bet", 6, STAKE), (25, "bet", 6_000, None),
    ]),
    ("a lower one ends what is cooling off", D, [
        (0, "limit", 5, None), (1, "limit", 10, None), (2, "limit", 4, None), (26, "bet", 5, STAKE),
        (26, "bet", 4, None),
    ]),
    ("the same again ends it, too", D, [
        (0, "limit", 5, None), (1, "limit", 10, None), (2, "limit", 5, None), (26, "bet", 6, STAKE),
    ]),
    ("asked for again, a higher one cools off anew", D, [
        (0, "limit", 5, None), (1, "limit", 10, None), (20, "limit", 9, None), (26, "bet", 6, STAKE),
        (44, "bet", 10, STAKE), (44, "bet", 9, None),
    ]),
    ("a first limit counts at once", LD, [(0, "limit", 5, None), (0, "bet", 6, LOSS), (0, "bet", 5, None)]),
    ("one that was removed may be set again at once", LD, [
        (0, "limit", 5, None), (1, "limit", None, None), (26, "limit", 3, None), (26, "bet", 4, LOSS),
        (26, "bet", 3, None),
    ]),
    ("zero stops all betting, for a day at least", D, [
        (0, "limit", 0, None), (0, "bet", 1, STAKE), (1, "limit", 100, None), (24.9, "bet", 1, STAKE),
        (25, "bet", 1, None),
    ]),
    ("zero stops all betting, also where the fan has won", LD, [
        (0, "bet", 10, None), (1, "ended", "won", None), (2, "limit", 0, None), (3, "bet", 1, LOSS),
    ]),
    ("a clock that goes back over midnight begins no new day", D, [
        (0, "limit", 10, None), (0.2, "bet", 8, None), (-0.2, "bet", 3, STAKE), (-0.2, "bet", 2, None),
        (0.3, "bet", 1, STAKE),
    ]),
    ("nor brings back what a week ago was forgotten", W, [
        (0, "limit", 10, None), (1, "bet", 10, None), (7 * 24.0, "bet", 10, None), (7 * 24 - 1, "bet", 1, STAKE),
    ]),
]  # fmt: skip


@pytest.mark.parametrize(("name", "steps"), [row[1:] for row in STORIES], ids=[row[0] for row in STORIES])
def test_limits(diary: Diary, name: LimitName, steps: list[Step]) -> None:
    for step in steps:
        assert diary.step(name, step) == step[3], step


def test_the_lowest_of_several_limits_counts_and_stakes_come_before_losses(diary: Diary) -> None:
    for name, amount in ((D, 10), (W, 12), (M, 11), (LD, 9), (LW, 30)):
        diary.limit(0, name, amount)
    assert diary.bet(1, 11).refusal == STAKE
    assert diary.bet(1, 10).refusal == LOSS
    assert diary.bet(1, 9).refusal is None
    assert diary.bet(24, 3).refusal == STAKE  # of the month: 11 - 9
    assert diary.bet(24, 2).refusal is None


def test_a_limit_is_shown_as_it_stands(diary: Diary) -> None:
    now = diary.world.clock.now_ms()
    hour = (now - MIDNIGHT) / HOUR
    assert diary.shown(LD) == LimitView(LD, None, 0, None, 0)
    diary.limit(hour, LD, 20)
    diary.bet(hour, 5)
    diary.limit(hour, LD, 30)
    assert diary.shown(LD) == LimitView(LD, 20, 5, 30, now + DAY)
    assert (diary.shown(LD).left, diary.shown(W).left) == (15, None)
    diary.ended(hour, "won")
    assert (diary.shown(LD).used, diary.shown(LD).left) == (-3, 23)
    diary.limit(hour, LD, None)
    assert diary.shown(LD) == LimitView(LD, 20, -3, None, now + DAY)
    diary.limit(hour, LD, 0)
    assert (diary.shown(LD).amount, diary.shown(LD).left) == (0, 0)


def test_what_a_cash_out_pays_comes_back_too(diary: Diary) -> None:
    diary.limit(0, LD, 100)
    diary.bet(1, 100)
    assert diary.bet(1, 1).refusal == LOSS
    at_ms = diary.at_ms(2)
    commit(diary.world, diary.ledger, [CashOut("cash", A, "b1", 0, 90, at_ms, 90, 0)])
    assert diary.bet(3, 91).refusal == LOSS
    assert diary.bet(3, 90).refusal is None


@pytest.mark.parametrize(
    ("name", "amount", "refusal"),
    [(D, 1, None), (LD, 1, None), (D, 0, STAKE), (M, 0, STAKE), (LW, 0, LOSS)],
)
def test_a_free_bet_is_none_of_the_fan_s_money_but_zero_stops_it_too(
    diary: Diary, name: LimitName, amount: int, refusal: Refusal | None
) -> None:
    grant = GrantFreeBet("grant-free", A, "free1", 500, "EUR", MIDNIGHT + DAY, NOW)
    commit(diary.world, diary.ledger, [grant])
    diary.limit(0, name, amount)
    at_ms = diary.at_ms(1)
    asked = bet(500, id_=VirtualClock(1, at_ms).new_id(), name="f1", at_ms=at_ms, free_bet="free1")
    assert commit(diary.world, diary.ledger, [asked])[0].refusal == refusal
    assert balance(diary.ledger) == 10_000
    if refusal is None:
        assert diary.bet(2, 1).refusal is None  # it did not count


@pytest.mark.parametrize(
    ("after_ms", "refusal"), [(0, None), (ID_MEMORY_MS, None), (ID_MEMORY_MS + 1, Refusal.ID_EXPIRED)]
)
def test_a_fan_s_id_grows_old(diary: Diary, after_ms: int, refusal: Refusal | None) -> None:
    """Of a limit, too: what is too old is refused, changes nothing and is not recorded."""
    made = VirtualClock(5, NOW).new_id()
    late = SetLimit(made, A, 7, NOW + after_ms)
    answers = commit(diary.world, diary.ledger, [late, SetLimit("limit:of:a:room", A, 9, NOW + after_ms, W)])
    assert [answer.refusal for answer in answers] == [refusal, None]  # what rooms derive does not grow old
    assert (diary.ledger.answer(A, made) is None) == (refusal is not None)
    assert diary.shown(D).amount == (NO_LIMIT if refusal else 7)


def test_an_unknown_account_has_no_limits(world: World, ledger: Ledger) -> None:
    assert commit(world, ledger, [SetLimit("l", "nobody", 5, NOW)])[0].refusal == Refusal.ACCOUNT_UNKNOWN


def test_the_house_s_own_limit_for_new_accounts_can_be_lowered_and_removed(world: World, ledger: Ledger) -> None:
    commit(world, ledger, opened(per_day=5))
    late = NOW + DAY
    ids = [VirtualClock(seed, late).new_id() for seed in (1, 2)]
    answers = commit(world, ledger, [
        bet(6), SetLimit("l", A, None, NOW), bet(6, id_=ids[0], at_ms=late - 1), bet(6, id_=ids[1], at_ms=late),
    ])  # fmt: skip
    assert [answer.refusal for answer in answers] == [STAKE, None, STAKE, None]
