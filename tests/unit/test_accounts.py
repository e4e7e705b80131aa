"""The accounts room: guests with a grant, tokens that any gate can check, a fan's own limits."""

from collections.abc import Iterator
from contextlib import closing

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from itsdangerous import URLSafeTimedSerializer

from matchday.backends.ledger_sqlite import SqliteLedgerCore
from matchday.config import Accounts as AccountSettings
from matchday.config import Doors, Settings
from matchday.model.ledger import Answer, LimitName, Moment, Refusal, is_player
from matchday.model.posting import uuid7_ms
from matchday.model.role import Role, SignedIn
from matchday.services.accounts import Accounts, Guest, Tokens
from matchday.sim.clock import VirtualClock
from tests.unit.doors import SECRET, MoodyLedger

SETTINGS = Settings(doors=Doors(token_s_max=60), accounts=AccountSettings(grant=5_000, stake_per_day=700))


class Desk:
    """The room, its ledger, and who was answered what."""

    def __init__(self, core: SqliteLedgerCore) -> None:
        self.clock = VirtualClock(seed=3)
        self.ledger = MoodyLedger(core, self.clock)
        self.room = Accounts(self.clock, self.ledger, SETTINGS, SECRET)
        self.tokens = Tokens(self.clock, SETTINGS, SECRET)
        self.heard: list[Guest | Answer | Moment] = []

    def guest(self) -> Guest:
        self.room.open_guest(self.heard.append)
        self.clock.run_for(10)
        guest = self.heard[-1]
        assert isinstance(guest, Guest)
        return guest

    def limit(self, account: str, id_: str, amount: int) -> Answer | Moment:
        self.room.set_limit(account, id_, LimitName.STAKE_DAY, amount, self.heard.append)
        self.clock.run_for(10)
        answer = self.heard[-1]
        assert isinstance(answer, Answer | Moment)
        return answer


def account_of(room: Accounts, token: str) -> str | None:
    """Whose a token is."""
    fan = room.verify(token)
    return None if fan is None else fan.account


@pytest.fixture
def desk() -> Iterator[Desk]:
    with closing(SqliteLedgerCore(":memory:")) as core:
        yield Desk(core)


def test_a_guest_is_an_account_with_its_grant_and_its_limit(desk: Desk) -> None:
    guest = desk.guest()
    assert uuid7_ms(guest.account) is not None
    assert is_player(guest.account)
    assert (guest.balance, guest.currency) == (5_000, "EUR")
    view = desk.ledger.account(guest.account)
    assert view is not None
    assert (view.balance, view.limit(LimitName.STAKE_DAY).amount, view.currency) == (5_000, 700, "EUR")
    assert desk.ledger.totals() == {"EUR": 0}
    assert account_of(desk.room, guest.token) == guest.account


def test_account_and_grant_are_known_by_ids_that_derive_from_the_account(desk: Desk) -> None:
    account = desk.guest().account
    for id_ in (f"open:{account}", f"grant:{account}"):
        answer = desk.ledger.answer(account, id_)
        assert answer is not None, id_
        assert answer.refusal is None


def test_without_a_ledger_there_is_no_guest(desk: Desk) -> None:
    desk.ledger.away = True
    desk.room.open_guest(desk.heard.append)
    desk.clock.run_for(10)
    assert desk.heard == [Moment.UNAVAILABLE]
    assert desk.ledger.totals() in ({}, {"EUR": 0})
    assert not desk.ledger.entries(-1, 10)


def test_the_room_answers_later_and_never_from_inside_the_call(desk: Desk) -> None:
    desk.room.open_guest(desk.heard.append)
    assert not desk.heard
    desk.clock.run_for(10)
    assert len(desk.heard) == 1


@pytest.mark.parametrize(
    ("after_ms", "good"),
    [(0, True), (59_999, True), (60_000, True), (61_000, False), (10**9, False)],
)
def test_a_token_is_good_until_it_expires_by_the_platform_s_clock(desk: Desk, after_ms: int, good: bool) -> None:
    token, expires_ms = desk.room.sign("fan")
    assert expires_ms == desk.clock.now_ms() + 60_000
    desk.clock.run_for(after_ms)
    assert account_of(desk.room, token) == ("fan" if good else None)


@pytest.mark.parametrize("after_ms", [0, 1, 40_400, 60_999])
def test_when_a_token_ends_is_the_same_however_late_it_is_shown(desk: Desk, after_ms: int) -> None:
    desk.clock.run_for(700)
    token, _ = desk.room.sign("fan")
    signed_s = desk.clock.now_ms() // 1_000
    desk.clock.run_until(signed_s * 1_000 + max(700, after_ms))
    until_ms = (signed_s + 61) * 1_000
    for _ in range(2):  # reckoned, and known again
        assert desk.room.verify(token) == SignedIn("fan", Role.FAN, until_ms)
    desk.clock.run_until(until_ms - 1)
    assert desk.room.verify(token) is not None
    desk.clock.run_for(1)
    assert desk.room.verify(token) is None


def test_a_ticket_opens_what_ends_with_the_token_that_it_was_asked_for_with(desk: Desk) -> None:
    token, _ = desk.room.sign("fan")
    fan = desk.room.verify(token)
    assert fan is not None
    desk.clock.run_for(45_000)
    found = desk.room.ticket(token)
    assert found is not None
    assert found[1] == fan.until_ms, "the sooner of both"
    assert desk.room.verify_ticket(found[0]) == fan
    desk.clock.run_until(fan.until_ms)
    assert desk.room.verify_ticket(found[0]) is None
    assert desk.room.ticket(token) is None
    assert desk.room.ticket(desk.room.sign("tom", Role.TRADER)[0]) is None


@pytest.mark.parametrize("signed", ["fan", ["fan"], ["fan", None], ["fan", 0], [7, 10**15], {"fan": 10**15}])
def test_what_is_signed_as_a_ticket_but_says_no_end_opens_nothing(desk: Desk, signed: object) -> None:
    assert desk.tokens.verify_ticket(str(desk.tokens._tickets.dumps(signed))) is None


def test_another_gate_with_the_same_secret_knows_the_token_and_one_with_another_does_not(desk: Desk) -> None:
    token, _ = desk.room.sign("fan")
    assert account_of(Accounts(desk.clock, desk.ledger, SETTINGS, SECRET), token) == "fan"
    assert Accounts(desk.clock, desk.ledger, SETTINGS, b"another secret" * 3).verify(token) is None


def test_a_token_is_of_one_role_and_a_fan_s_is_as_it_always_was(desk: Desk) -> None:
    """Tokens that were signed before there were roles are fans'."""
    fan, trader = desk.room.sign("anna")[0], desk.room.sign("anna", Role.TRADER)[0]
    until_ms = desk.clock.now_ms() + 61_000
    assert desk.room.identify(fan) == SignedIn("anna", Role.FAN, until_ms)
    assert desk.room.identify(trader) == SignedIn("anna", Role.TRADER, until_ms)
    assert (account_of(desk.room, fan), desk.room.verify(trader)) == ("anna", None)
    before = URLSafeTimedSerializer(SECRET, salt="matchday.token.1")
    made, _, _ = before.dumps("anna").partition(".")  # its time is not the platform's
    assert fan.startswith(f"{made}.")


@pytest.mark.parametrize("signed", [["owner", "tom"], ["trader"], ["trader", 7], ["fan", "tom"], {"role": "trader"}, 7])
def test_what_is_signed_but_says_no_role_signs_nobody_in(desk: Desk, signed: object) -> None:
    token = str(desk.tokens._signer.dumps(signed))
    assert desk.tokens.identify(token) is None


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])  # the room is the same each time
@given(text=st.text(max_size=80) | st.text(st.characters(codec="ascii"), max_size=80))
@example(text="\ud800")
def test_no_text_that_was_not_signed_is_a_token(desk: Desk, text: str) -> None:
    assert desk.room.verify(text) is None


def test_no_changed_character_of_a_token_goes_unnoticed(desk: Desk) -> None:
    token, _ = desk.room.sign("fan")
    for place, character in enumerate(token):
        changed = token[:place] + ("A" if character != "A" else "B") + token[place + 1 :]
        assert account_of(desk.room, changed) in (None, "fan")
        if place < token.rindex("."):
            assert desk.room.verify(changed) is None, place


def test_limits_go_to_the_ledger_under_the_caller_s_id(desk: Desk) -> None:
    account = desk.guest().account
    first, again = (desk.limit(account, "l1", 300) for _ in range(2))
    assert isinstance(first, Answer)
    assert isinstance(again, Answer)
    assert (first.refusal, first.repeated, again.refusal, again.repeated) == (None, False, None, True)
    other = desk.limit(account, "l1", 200)
    assert isinstance(other, Answer)
    assert other.refusal == Refusal.ID_REUSED
    view = desk.ledger.account(account)
    assert view is not None
    assert view.limit(LimitName.STAKE_DAY).amount == 300


def test_without_a_ledger_no_limit_is_set(desk: Desk) -> None:
    account = desk.guest().account
    desk.ledger.away = True
    assert desk.limit(account, "l1", 300) == Moment.UNAVAILABLE
    desk.ledger.away = False
    view = desk.ledger.account(account)
    assert view is not None
    assert view.limit(LimitName.STAKE_DAY).amount == 700
