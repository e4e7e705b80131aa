"""The page against a platform that the test moves: prices that move, answers that get lost, sockets that drop."""

import re
from collections.abc import Callable, Iterator
from itertools import pairwise

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.browser.fake_platform import EPOCH, TOKEN, FakePlatform

HOME_WIN = "m1:1x2/home"
pytestmark = pytest.mark.browser


@pytest.fixture
def platform() -> Iterator[FakePlatform]:
    with FakePlatform() as running:
        yield running


@pytest.fixture
def page(browser: Browser, platform: FakePlatform) -> Iterator[Page]:
    """The page as it opens; at the end it must have raised nothing and offended no policy."""
    context = browser.new_context(viewport={"width": 1280, "height": 860}, reduced_motion="reduce", locale="en-GB")
    opened = context.new_page()
    faults: list[str] = []
    opened.on("pageerror", lambda error: faults.append(str(error)))
    opened.on("console", lambda said: faults.append(said.text) if "Content Security" in said.text else None)
    opened.goto(platform.url)
    expect(opened.get_by_test_id("connection")).to_have_attribute("data-state", "live")
    expect(opened.get_by_test_id("match-row-m1")).to_be_visible()
    yield opened
    context.close()
    assert faults == []


def sign_in(page: Page) -> None:
    page.get_by_test_id("sign-in").click()
    expect(page.get_by_test_id("balance")).to_have_text("€1,000.00")


def pick(page: Page, stake: str = "10") -> None:
    """A selection on the slip, with a stake, followed live."""
    page.get_by_test_id(f"price-{HOME_WIN}").click()
    page.get_by_test_id("slip-stake").fill(stake)


def place(page: Page) -> None:
    expect(page.get_by_test_id("slip-place")).to_be_enabled()
    page.get_by_test_id("slip-place").click()


def answered(page: Page, answer: str) -> None:
    expect(page.get_by_test_id("slip-answer")).to_have_attribute("data-answer", answer)


def until(page: Page, done: Callable[[], bool], seconds: int = 15) -> None:
    """Wait for what the page does out of sight."""
    for _ in range(seconds * 20):
        if done():
            return
        page.wait_for_timeout(50)
    raise AssertionError("it does not come")


# --- what is on the board ---------------------------------------------------------------------------------------------


def test_live_matches_come_first_with_score_minute_and_red_cards(page: Page) -> None:
    live, upcoming = page.get_by_test_id("match-row-m1"), page.get_by_test_id("match-row-m3")
    expect(live.locator(".goals")).to_have_text(["2", "1"])
    expect(live.locator(".when")).to_have_text("67'")
    expect(page.get_by_test_id("match-row-m2").locator(".when")).to_have_text("45+2'")
    expect(live.get_by_label("1 red card")).to_be_visible()
    expect(upcoming.locator(".goals")).to_have_count(0)
    assert page.locator("main section").evaluate_all("all => all.map(each => each.ariaLabel)") == ["Live", "Upcoming"]
    expect(page.locator("footer")).to_contain_text("Match data: a match made for tests")


def test_the_minute_runs_on_by_itself(page: Page, platform: FakePlatform) -> None:
    """Only the clock's rate moves it: no frame says the new minute."""
    platform.boards["m1"] |= {"clock_rate": 60.0, "clock_at_ms": platform.now()}
    platform.price(HOME_WIN, "2.40")
    expect(page.get_by_test_id("match-row-m1").locator(".when")).to_have_text(re.compile("(69|7.)'"))


@pytest.mark.parametrize(("price", "move"), [("2.45", "up"), ("2.20", "down")])
def test_a_price_flashes_when_it_changes(page: Page, platform: FakePlatform, price: str, move: str) -> None:
    button = page.get_by_test_id(f"price-{HOME_WIN}")
    expect(button).to_have_attribute("data-price", "2.375")
    assert "up" not in str(button.get_attribute("class"))
    platform.price(HOME_WIN, price)
    expect(button).to_have_class(re.compile(rf"\b{move}\b"))
    expect(button).to_have_attribute("data-price", price)
    expect(page.get_by_test_id("price-m1:1x2/draw")).not_to_have_class(re.compile(r"\b(up|down)\b"))
    expect(button).not_to_have_class(re.compile(rf"\b{move}\b"))


def test_a_suspended_market_is_locked_at_once(page: Page, platform: FakePlatform) -> None:
    button = page.get_by_test_id(f"price-{HOME_WIN}")
    expect(button).to_be_enabled()
    platform.status("m1:1x2", "suspended")
    expect(button).to_be_disabled()
    expect(button).to_have_attribute("data-status", "suspended")
    expect(button.locator(".lock")).to_be_visible()
    platform.status("m1:1x2", "open")
    expect(button).to_be_enabled()
    expect(button.locator(".lock")).to_have_count(0)


def test_stale_prices_lock_everything(page: Page, platform: FakePlatform) -> None:
    platform.stale(True)
    expect(page.get_by_test_id("connection")).to_have_attribute("data-state", "stale")
    expect(page.locator("button.price:enabled")).to_have_count(0)
    platform.stale(False)
    expect(page.get_by_test_id(f"price-{HOME_WIN}")).to_be_enabled()


def test_stale_prices_of_one_match_lock_that_match_and_no_other(page: Page, platform: FakePlatform) -> None:
    button = page.get_by_test_id(f"price-{HOME_WIN}")
    platform.stale(False, "m1")
    expect(button).to_be_disabled()
    expect(page.locator("button.price:enabled").first).to_be_visible()
    page.reload()  # who comes now is told with the first frame
    expect(page.get_by_test_id("match-row-m1")).to_be_visible()
    expect(page.locator("button.price:enabled").first).to_be_visible()
    expect(button).to_be_disabled()
    page.get_by_test_id("match-row-m1").get_by_test_id("match-link").click()
    expect(page.get_by_test_id("market-total_goals").get_by_test_id("suspended")).to_be_visible()
    expect(page.locator("button.price:enabled")).to_have_count(0)
    platform.stale(False)
    expect(button).to_be_enabled()


def test_a_match_has_all_its_markets(page: Page, platform: FakePlatform) -> None:
    page.get_by_test_id("match-row-m1").get_by_test_id("match-link").click()
    expect(page.get_by_test_id("score")).to_have_text("2–1")
    expect(page.get_by_test_id("market-total_goals").locator("button.price")).to_have_count(10)
    page.get_by_test_id("lines-total_goals").click()
    expect(page.get_by_test_id("market-total_goals").locator("button.price")).to_have_count(34)
    handicap = page.get_by_test_id("price-m1:asian_handicap@-0.5/away")
    expect(handicap).to_contain_text("+0.5")
    platform.status("m1:both_teams_to_score", "suspended")
    expect(page.get_by_test_id("market-both_teams_to_score").get_by_test_id("suspended")).to_be_visible()
    expect(page.get_by_test_id("price-m1:both_teams_to_score/yes")).to_be_disabled()


def test_markets_stand_in_groups_and_are_named_for_people(page: Page, platform: FakePlatform) -> None:
    page.goto(f"{platform.url}/#/match/m1")
    headings = ["Result", "Goals", "Handicaps", "Halves", "Correct score", "Corners and cards", "More"]
    expect(page.locator(".group-of-markets > h2")).to_have_text(headings)
    home, away = platform.boards["m1"]["home"], platform.boards["m1"]["away"]
    goal = page.get_by_test_id("market-next_goal")
    expect(goal.locator("h3")).to_contain_text("Goal 4")  # the third has been scored
    expect(goal.locator("button.price .caption")).to_have_text([home, "No goal", away])
    chances = page.get_by_test_id("market-double_chance").locator(".caption")
    expect(chances).to_have_text([f"{home} or draw", f"{home} or {away}", f"Draw or {away}"])
    both = page.get_by_test_id("market-half_time_full_time").locator(".caption")
    expect(both).to_have_text([f"{home} / {home}", f"{home} / Draw", f"{home} / {away}"])
    columns = page.get_by_test_id("market-correct_score").locator(".column")
    expect(columns.nth(0).locator(".caption")).to_have_text(["2–1", "Any other"])
    expect(columns.nth(2).locator(".caption")).to_have_text(["2–3"])
    expect(page.get_by_test_id("market-team_total_home").locator("h3")).to_contain_text(f"{home} goals")
    page.get_by_test_id("price-m1:correct_score/other_home").click()
    expect(page.locator(".selection strong")).to_have_text(f"Other {home} win")


def test_a_fixture_that_is_not_there_is_said_to_be_gone(page: Page, platform: FakePlatform) -> None:
    page.goto(f"{platform.url}/#/match/nowhere")
    expect(page.get_by_text("no longer on the board")).to_be_visible()


def test_a_fixture_is_taken_off_the_board(page: Page, platform: FakePlatform) -> None:
    platform.remove("m3")
    expect(page.get_by_test_id("match-row-m3")).to_have_count(0)


# --- the slip ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stake", "shown"),
    [
        ("10", "23.75"),
        ("0.10", "0.23"),  # 0.2375: rounded down once
        ("3.33", "7.90"),  # 7.90875
        ("123456789012.34", "293209873904.30"),  # beyond what a float holds exactly
        ("10.555", ""),
        ("ten", ""),
        ("0", ""),
    ],
)
def test_the_potential_return_is_exact(page: Page, stake: str, shown: str) -> None:
    sign_in(page)
    pick(page, stake)
    expect(page.get_by_test_id("slip-return")).to_have_attribute("data-amount", shown)
    enabled = expect(page.get_by_test_id("slip-place"))
    enabled.to_be_enabled() if shown else enabled.to_be_disabled()


def test_a_bet_is_accepted_and_settles_by_itself(page: Page, platform: FakePlatform) -> None:
    sign_in(page)
    pick(page)
    place(page)
    answered(page, "accepted")
    expect(page.get_by_test_id("balance")).to_have_text("€990.00")
    (sent,) = platform.posts
    assert sent["legs"] == [{"selection": HOME_WIN, "price": "2.375", "generation": 3}]
    assert (sent["stake"], sent["currency"], sent["policy"]) == ("10.00", "EUR", "better")
    assert re.fullmatch("[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", sent["id"])
    made_ms = int(sent["id"].replace("-", "")[:12], 16)
    assert abs(made_ms - platform.now()) < 60_000
    page.goto(f"{platform.url}/#/bets")
    expect(page.get_by_test_id("bet-row-b1").get_by_test_id("bet-status")).to_have_text("Open")
    platform.settle("b1", "settled", 2375)
    expect(page.get_by_test_id("bet-row-b1").get_by_test_id("bet-status")).to_have_text("Won")
    expect(page.get_by_test_id("bet-row-b1").get_by_test_id("bet-returns")).to_have_text("€23.75")
    expect(page.get_by_test_id("balance")).to_have_text("€1,013.75")


@pytest.mark.parametrize(
    ("status", "returns", "shown"),
    [("settled", 0, "Lost"), ("void", 1000, "Void"), ("settled", 500, "Half lost"), ("settled", 1687, "Half won")],
)
def test_what_a_bet_came_to(page: Page, platform: FakePlatform, status: str, returns: int, shown: str) -> None:
    """At 2.375 ten come back as 23.75, halves as 5.00 and 16.87."""
    sign_in(page)
    pick(page)
    place(page)
    answered(page, "accepted")
    page.goto(f"{platform.url}/#/bets")
    platform.settle("b1", status, returns)
    expect(page.get_by_test_id("bet-status")).to_have_text(shown)
    page.get_by_test_id("bets-open").click()
    expect(page.get_by_test_id("bet-row-b1")).to_have_count(0)


def test_the_statement_says_what_each_entry_was_about(page: Page) -> None:
    """The view named a part that was gone: it had a head and no rows, and nobody was told."""
    sign_in(page)
    pick(page)
    place(page)
    answered(page, "accepted")
    page.goto(f"{page.url.partition('#')[0]}#/statement")
    expect(page.get_by_test_id("entry-1")).to_contain_text("Play money")
    expect(page.get_by_test_id("entry-1")).to_contain_text("+€1,000.00")
    expect(page.get_by_test_id("entry-2")).to_contain_text("Stake Ashford Town")
    expect(page.get_by_test_id("entry-2")).to_contain_text("−€10.00")


@pytest.mark.parametrize("link", ["#/match/%", "#/match/nope"])
def test_a_link_that_leads_nowhere_says_so(page: Page, platform: FakePlatform, link: str) -> None:
    page.goto(f"{platform.url}/{link}")
    page.reload()
    expect(page.get_by_text("no longer on the board")).to_be_visible()


def test_a_moved_price_is_accepted_under_a_new_id(page: Page, platform: FakePlatform) -> None:
    sign_in(page)
    pick(page)
    platform.refusals.append({"reason": "price_moved", "price": "2.10", "generation": 3})
    place(page)
    answered(page, "refused")
    expect(page.get_by_test_id("slip-place")).to_have_text("Accept new price 2.10")
    place(page)
    answered(page, "accepted")
    first, second = platform.posts
    assert first["id"] != second["id"]
    assert second["legs"] == [{"selection": HOME_WIN, "price": "2.10", "generation": 3}]


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        ("market_suspended", "suspended for a moment"),
        ("stake_above_maximum", "above the most we take"),
        ("insufficient_funds", "balance does not cover"),
        ("stake_limit_reached", "your own stake limit"),
    ],
)
def test_a_refusal_is_explained(page: Page, platform: FakePlatform, reason: str, said: str) -> None:
    sign_in(page)
    pick(page)
    platform.refusals.append({"reason": reason})
    place(page)
    answered(page, "refused")
    expect(page.get_by_test_id("slip-answer")).to_contain_text(said)
    expect(page.get_by_test_id("balance")).to_have_text("€1,000.00")


def test_a_slip_cannot_be_placed_while_suspended(page: Page, platform: FakePlatform) -> None:
    sign_in(page)
    pick(page)
    platform.status("m1:1x2", "suspended")
    expect(page.get_by_test_id("slip-place")).to_be_disabled()
    expect(page.get_by_test_id("slip-place")).to_have_text("Suspended")


# --- several selections -----------------------------------------------------------------------------------------------

OTHER_WIN, THIRD_WIN = "m2:1x2/home", "m3:1x2/home"


def pick_several(page: Page, *selections: str) -> None:
    for selection in selections:
        page.get_by_test_id(f"price-{selection}").click()


def test_several_selections_make_an_accumulator(page: Page, platform: FakePlatform) -> None:
    """Three matches at 2.375: ten return 10 x 2.375^3 = 133.964..., rounded down once."""
    sign_in(page)
    pick_several(page, HOME_WIN, OTHER_WIN, THIRD_WIN)
    expect(page.get_by_test_id("slip-type")).to_have_value("accumulator")
    page.get_by_test_id("slip-stake").fill("10")
    expect(page.get_by_test_id("slip-return")).to_have_attribute("data-amount", "133.96")
    place(page)
    answered(page, "accepted")
    (sent,) = platform.posts
    assert (sent["type"], sent["stake"], len(sent["legs"])) == ("accumulator", "10.00", 3)
    page.goto(f"{platform.url}/#/bets")
    expect(page.get_by_test_id("bet-type")).to_have_text("Treble")


@pytest.mark.parametrize(
    ("bet_type", "total", "returns", "bets"),
    [
        ("trixie", "€8.00", "60.63", 1),  # three doubles of 11.28125 and a treble of 26.79296875: 3 * 11.28 + 26.79
        ("patent", "€14.00", "74.88", 1),  # and three singles of 4.75
        ("system:2/3", "€6.00", "33.84", 1),
        ("singles", "€6.00", "14.25", 3),
    ],
)
def test_systems_have_a_stake_per_line(
    page: Page, platform: FakePlatform, bet_type: str, total: str, returns: str, bets: int
) -> None:
    """Two on each line, each line rounded down once."""
    sign_in(page)
    pick_several(page, HOME_WIN, OTHER_WIN, THIRD_WIN)
    page.get_by_test_id("slip-type").select_option(bet_type)
    page.get_by_test_id("slip-stake").fill("2")
    expect(page.get_by_test_id("slip-total")).to_have_text(total)
    expect(page.get_by_test_id("slip-return")).to_have_attribute("data-amount", returns)
    place(page)
    answered(page, "accepted")
    assert len(platform.posts) == bets
    assert len({sent["id"] for sent in platform.posts}) == bets


def test_selections_of_one_match_are_priced_together(page: Page, platform: FakePlatform) -> None:
    sign_in(page)
    page.goto(f"{platform.url}/#/match/m1")
    pick_several(page, "m1:1x2/home", "m1:both_teams_to_score/yes")
    expect(page.get_by_test_id("joint-price")).to_have_text("3.10")
    page.get_by_test_id("slip-stake").fill("10")
    expect(page.get_by_test_id("slip-return")).to_have_attribute("data-amount", "31.00")
    platform.joint_price = "3.30"
    platform.price("m1:1x2/home", "2.50")
    expect(page.get_by_test_id("joint-price")).to_have_text("3.30")
    place(page)
    answered(page, "accepted")
    (sent,) = platform.posts
    (leg,) = sent["legs"]
    assert leg["price"] == "3.30"
    assert [part["selection"] for part in leg["parts"]] == ["m1:1x2/home", "m1:both_teams_to_score/yes"]


def test_of_one_market_the_last_selection_stands(page: Page) -> None:
    pick_several(page, "m1:1x2/home", "m1:1x2/draw")
    expect(page.get_by_test_id("slip-price")).to_have_count(1)
    expect(page.locator(".selection strong")).to_have_text("Draw")


def test_one_of_several_bets_is_refused_and_the_others_stand(page: Page, platform: FakePlatform) -> None:
    sign_in(page)
    pick_several(page, HOME_WIN, OTHER_WIN)
    page.get_by_test_id("slip-type").select_option("singles")
    page.get_by_test_id("slip-stake").fill("2")
    platform.refusals.append({"reason": "exposure_reached", "stake_max": "1.00"})
    place(page)
    answered(page, "mixed")
    expect(page.get_by_test_id("balance")).to_have_text("€998.00")


# --- what waits -------------------------------------------------------------------------------------------------------


def test_a_bet_in_play_waits_and_is_told_by_the_account(page: Page, platform: FakePlatform) -> None:
    platform.waits_ms = 1_500
    sign_in(page)
    pick(page)
    place(page)
    answered(page, "pending")
    expect(page.get_by_test_id("slip-answer")).to_contain_text("wait a moment")
    answered(page, "accepted")
    assert len(platform.posts) == 1
    assert platform.asked == []


def test_a_bet_that_waited_is_refused_with_the_reason(page: Page, platform: FakePlatform) -> None:
    platform.waits_ms, platform.late_refusal = 500, {"reason": "generation_stale"}
    sign_in(page)
    pick(page)
    place(page)
    answered(page, "refused")
    expect(page.get_by_test_id("slip-answer")).to_contain_text("Something happened in the match")


def test_less_stake_or_a_trader_instead(page: Page, platform: FakePlatform) -> None:
    sign_in(page)
    pick(page, "900")
    platform.refusals.append({"reason": "stake_above_maximum", "stake_max": "500.00"})
    place(page)
    answered(page, "refused")
    expect(page.get_by_test_id("ask-trader")).to_be_visible()
    page.get_by_test_id("less-stake").click()
    answered(page, "accepted")
    first, second = platform.posts
    assert (second["stake"], second["id"] != first["id"]) == ("500.00", True)


def test_a_trader_s_offer_is_taken_up(page: Page, platform: FakePlatform) -> None:
    sign_in(page)
    pick(page, "900")
    platform.refusals.append({"reason": "stake_above_maximum"})
    place(page)
    answered(page, "refused")
    offer = {"offer": "o1", "stake": "700.00", "prices": ["2.30"], "until_ms": platform.now() + 30_000}
    platform.waits_ms, platform.late_refusal = 300, {"reason": "re_offered", "offer": offer}
    page.get_by_test_id("ask-trader").click()
    expect(page.get_by_test_id("take-offer")).to_have_text(re.compile("€700.00 at 2.30"))
    platform.waits_ms, platform.late_refusal = 0, {}
    page.get_by_test_id("take-offer").click()
    answered(page, "accepted")
    asked, taken = platform.posts[1:]
    assert (asked["refer"], taken["offer"], taken["stake"], taken["legs"][0]["price"]) == (True, "o1", "700.00", "2.30")


def test_a_free_bet_is_the_stake(page: Page, platform: FakePlatform) -> None:
    platform.free_bets.append({"free_bet": "f1", "amount": "5.00", "until_ms": platform.now() + 10**8})
    sign_in(page)
    page.get_by_test_id(f"price-{HOME_WIN}").click()
    page.get_by_test_id("slip-free-bet").select_option("f1")
    expect(page.get_by_test_id("slip-return")).to_have_attribute("data-amount", "6.87")  # 11.875 less the stake
    place(page)
    answered(page, "accepted")
    assert platform.posts[0]["free_bet"] == "f1"
    expect(page.get_by_test_id("balance")).to_have_text("€1,000.00")


# --- cash-out ---------------------------------------------------------------------------------------------------------


def test_a_bet_is_cashed_out_whole(page: Page, platform: FakePlatform) -> None:
    sign_in(page)
    pick(page)
    place(page)
    answered(page, "accepted")
    page.goto(f"{platform.url}/#/bets")
    expect(page.get_by_test_id("cash-out-take")).to_have_text(re.compile("Cash out €8.00"))
    page.get_by_test_id("cash-out-take").click()
    expect(page.get_by_test_id("bet-status")).to_have_text("Cashed out")
    expect(page.get_by_test_id("balance")).to_have_text("€998.00")
    expect(page.get_by_test_id("bet-returns")).to_have_text("€8.00")
    assert [body["quote"] for body in platform.cash_outs] == ["signed"]


def test_half_of_a_bet_is_cashed_out(page: Page, platform: FakePlatform) -> None:
    sign_in(page)
    pick(page)
    place(page)
    answered(page, "accepted")
    page.goto(f"{platform.url}/#/bets")
    page.get_by_label("Half of it").check()
    expect(page.get_by_test_id("cash-out-take")).to_have_text(re.compile("Cash out €4.00"))
    page.get_by_test_id("cash-out-take").click()
    expect(page.get_by_text("€4.00 for €5.00")).to_be_visible()
    expect(page.get_by_test_id("bet-status")).to_have_text("Open")


# --- answers that get lost --------------------------------------------------------------------------------------------


class Loser:
    """Let requests through to the platform, and drop its first answers."""

    def __init__(self, times: int) -> None:
        self.left = times

    def __call__(self, route: Route) -> None:
        if route.request.method != "POST" or self.left == 0:
            route.continue_()
            return
        self.left -= 1
        route.fetch()
        route.abort()


def test_a_lost_answer_is_fetched_with_the_same_id(page: Page, platform: FakePlatform) -> None:
    """The platform took the bet, its answer was lost: sent again under its id, taken once."""
    platform.offset.pop("account")  # so that nothing but the doors can tell
    page.route("**/api/bets", Loser(1))
    page.get_by_test_id("sign-in").click()
    pick(page)
    platform.offset["account"] = 7
    place(page)
    answered(page, "accepted")
    first, second = platform.posts
    assert first == second
    assert len(platform.bets) == 1


def test_after_two_silences_the_id_is_asked_about(page: Page, platform: FakePlatform) -> None:
    platform.offset.pop("account")
    page.route("**/api/bets", Loser(99))
    page.get_by_test_id("sign-in").click()
    pick(page)
    platform.offset["account"] = 7
    place(page)
    answered(page, "accepted")
    assert platform.asked == [platform.posts[0]["id"]]
    assert platform.posts == [platform.posts[0]] * 2


def test_the_account_channel_tells_before_the_door_does(page: Page, platform: FakePlatform) -> None:
    sign_in(page)
    page.route("**/api/bets", Loser(99))
    page.route("**/by-id/*", lambda route: route.abort())
    pick(page)
    expect(page.get_by_test_id("balance")).to_have_text("€1,000.00")
    place(page)
    answered(page, "accepted")
    expect(page.get_by_test_id("balance")).to_have_text("€990.00")


def test_many_bets_in_an_outage_share_one_budget_of_retries(page: Page, platform: FakePlatform) -> None:
    """Three bets, each tried again after 0.4, 0.8, 1.6, 3.2, 6.4 s and then every 8, would ask 57 times in two min."""
    page.clock.install()
    page.reload()
    sign_in(page)
    pick_several(page, HOME_WIN, OTHER_WIN, THIRD_WIN)
    page.get_by_test_id("slip-type").select_option("singles")
    page.get_by_test_id("slip-stake").fill("1")
    asked: list[str] = []

    def nobody_answers(route: Route) -> None:
        asked.append(route.request.method)
        route.abort()

    page.route("**/api/bets**", nobody_answers)
    place(page)
    for _ in range(240):
        page.clock.run_for(500)
        platform.stale(stale=False)
    assert 3 + 12 <= len(asked) <= 3 + 12 + 120 / 5 + 1


def test_a_bet_on_its_way_survives_a_reload(page: Page, platform: FakePlatform) -> None:
    platform.offset.pop("account")
    page.route("**/api/bets", Loser(99))
    page.route("**/by-id/*", lambda route: route.abort())
    page.get_by_test_id("sign-in").click()
    pick(page)
    place(page)
    answered(page, "retrying")
    platform.offset["account"] = 7  # else the page may hear of the bet by this channel before it has lost an answer
    page.unroute_all(behavior="ignoreErrors")
    page.reload()
    answered(page, "accepted")
    assert len(platform.bets) == 1


# --- sockets that drop ------------------------------------------------------------------------------------------------


def test_a_dropped_socket_resumes_where_it_was(page: Page, platform: FakePlatform) -> None:
    sign_in(page)
    platform.price(HOME_WIN, "2.50")
    button = page.get_by_test_id(f"price-{HOME_WIN}")
    expect(button).to_have_attribute("data-price", "2.50")
    held = platform.offset["home"]
    platform.drop()
    expect(page.get_by_test_id("connection")).to_have_attribute("data-state", "reconnecting")
    platform.price(HOME_WIN, "2.60")  # while nobody listens
    expect(button).to_have_attribute("data-price", "2.60")
    expect(page.get_by_test_id("connection")).to_have_attribute("data-state", "live")
    assert platform.heard_of("subscribe", "home")[-1]["resume"] == {"epoch": EPOCH, "offset": held}
    assert {"op": "auth", "token": TOKEN} in platform.heard[-4:]


def test_a_gap_is_seen_and_mended_with_a_snapshot(page: Page, platform: FakePlatform) -> None:
    """A frame was lost: the next one does not continue what is held, so a snapshot is fetched instead."""
    platform.lose(HOME_WIN, "2.70")
    expect(page.get_by_test_id(f"price-{HOME_WIN}")).to_have_attribute("data-price", "2.375")
    assert len(platform.heard_of("subscribe", "home")) == 1
    platform.price("m2:1x2/draw", "3.90")
    expect(page.get_by_test_id(f"price-{HOME_WIN}")).to_have_attribute("data-price", "2.70")
    expect(page.get_by_test_id("price-m2:1x2/draw")).to_have_attribute("data-price", "3.90")
    again = platform.heard_of("subscribe", "home")
    assert len(again) == 2
    assert "resume" not in again[-1]


def test_a_slip_of_many_legs_says_no_more_than_the_server_takes(browser: Browser) -> None:
    """Each tap asked for all of the slip's fixtures anew; and after a lost connection those that are long over, all of
    them errors, had it closed again and again."""
    with FakePlatform() as platform:
        fixtures = [f"x{number}" for number in range(20)]
        platform.add(*fixtures)
        page = browser.new_page(viewport={"width": 1280, "height": 860})
        page.goto(platform.url)
        for fixture in fixtures:
            page.get_by_test_id(f"price-{fixture}:1x2/home").click()
        expect(page.get_by_test_id("connection")).to_have_attribute("data-state", "live")
        until(page, lambda: len(platform.heard_of("subscribe", f"fixture:{fixtures[-1]}")) == 1)
        subscribed = [message["channel"] for message in platform.heard if message["op"] == "subscribe"]
        assert sorted(subscribed) == sorted(["home", *(f"fixture:{fixture}" for fixture in fixtures)])
        platform.forget(*fixtures[:12])
        platform.drop()
        until(page, lambda: len(platform.heard_of("subscribe", f"fixture:{fixtures[-1]}")) == 2)
        assert (platform.connections, platform.too_busy) == (2, 0)
        page.close()


def test_silence_is_a_lost_connection(browser: Browser) -> None:
    """No frame for two and a half heartbeats: the page does not wait for the socket to say so."""
    with FakePlatform(heartbeat_ms=200) as platform:
        page = browser.new_page()
        page.goto(platform.url)
        expect(page.get_by_test_id("match-row-m1")).to_be_visible()
        expect(page.get_by_test_id("connection")).to_have_attribute("data-state", "reconnecting")
        expect(page.get_by_test_id("connection")).to_have_attribute("data-state", "live")
        assert platform.connections >= 2
        page.close()


def test_an_account_without_room_is_asked_for_again_in_a_while(browser: Browser) -> None:
    """All connections that it may have were there. The page keeps its own, and asks on it until there is room."""
    with FakePlatform(heartbeat_ms=3_600_000) as platform:
        page = browser.new_page(locale="en-GB")
        page.clock.install()
        page.goto(platform.url)
        expect(page.get_by_test_id("match-row-m1")).to_be_visible()
        platform.full = True
        sign_in(page)

        def asked(times: int, within_s: int = 300) -> bool:
            """Whether it has asked so often in all."""
            for _ in range(within_s):
                if len(platform.heard_of("subscribe", "account")) >= times:
                    return True
                page.clock.run_for(1_000)
            return False

        assert asked(2)
        assert asked(3)
        platform.full = False
        assert asked(4)
        assert not asked(5, within_s=60)
        pick(page)
        place(page)
        expect(page.get_by_test_id("balance")).to_have_text("€990.00")
        platform.settle("b1", "won", 2375)
        expect(page.get_by_test_id("balance")).to_have_text("€1,013.75")
        assert platform.connections == 1
        assert sum(said["op"] == "auth" for said in platform.heard) == 4
        page.close()


def test_a_platform_that_hangs_is_tried_less_and_less_often(browser: Browser, platform: FakePlatform) -> None:
    """It accepts and never says hello. Ten seconds of that are no connection that lasted: the pauses grow."""
    page = browser.new_page()
    page.clock.install()
    page.goto(platform.url)
    expect(page.get_by_test_id("match-row-m1")).to_be_visible()
    page.clock.pause_at(page.evaluate("Date.now()") / 1_000 + 1)
    page.evaluate("""() => {
        const Real = WebSocket;
        window.triedAt = [];
        window.WebSocket = class extends Real {
            constructor(url) { super(url); triedAt.push(performance.now()); }
        };
        Math.random = () => 1;
    }""")
    platform.silent = True
    platform.drop()
    expect(page.get_by_test_id("connection")).to_have_attribute("data-state", "reconnecting")
    page.clock.run_for(70_000)
    tried = page.evaluate("triedAt")
    pauses = [later - earlier - 10_000 for earlier, later in pairwise(tried)]
    assert len(pauses) >= 4
    for least, pause in zip((800, 1_600, 3_200, 6_400), pauses, strict=False):
        assert least <= pause < least + 1_000
    page.close()


# --- tokens that end --------------------------------------------------------------------------------------------------


def test_a_token_that_has_ended_signs_the_fan_out(page: Page, platform: FakePlatform) -> None:
    sign_in(page)
    platform.end_token(door=True)
    expect(page.get_by_test_id("sign-in")).to_be_visible()
    expect(page.get_by_test_id("connection")).to_have_attribute("data-state", "live")
    assert [message["op"] for message in platform.heard].count("auth") == 1


def test_a_token_that_another_gate_still_takes_is_said_again_after_a_pause(page: Page, platform: FakePlatform) -> None:
    """Gates' clocks differ a little. The fan stays who he is, and his page asks no more often than one that was cut."""
    sign_in(page)
    platform.end_token(door=False)
    page.wait_for_timeout(3_000)
    said = [message["op"] for message in platform.heard].count("auth")
    assert 2 <= said <= 15, said
    platform.refused_by_socket = False
    before = len(platform.heard_of("subscribe", "account"))
    while len(platform.heard_of("subscribe", "account")) == before:
        page.wait_for_timeout(100)
    expect(page.get_by_test_id("connection")).to_have_attribute("data-state", "live")
    expect(page.get_by_test_id("balance")).to_be_visible()


# --- small screens ----------------------------------------------------------------------------------------------------


def test_taps_are_numbered_and_sent_until_they_are_acknowledged(page: Page, platform: FakePlatform) -> None:
    def said() -> list[tuple[int, list[str]]]:
        told = [message for message in platform.heard if message["op"] == "taps"]
        return [(message["first"], [kind for kind, _, _ in message["taps"]]) for message in told]

    platform.deaf_to_taps = True
    page.clock.install()
    page.reload()
    sign_in(page)
    page.get_by_test_id(f"price-{HOME_WIN}").click()
    page.clock.run_for(4_000)
    expect(page.get_by_test_id("slip-stake")).to_be_visible()
    assert said() == [(1, ["select"])], "no second time before it had its time to be answered"
    platform.deaf_to_taps = False
    page.get_by_test_id(f"price-{HOME_WIN}").click()
    for _ in range(16):
        page.clock.run_for(1_000)
        platform.stale(stale=False)
    assert said() == [(1, ["select"]), (1, ["select", "unselect"])]


def test_on_a_phone_the_slip_is_a_sheet(page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.get_by_test_id(f"price-{HOME_WIN}").click()
    expect(page.get_by_test_id("slip-stake")).to_be_visible()
    page.get_by_test_id("slip-grip").click()
    expect(page.get_by_test_id("slip-stake")).to_be_hidden()
    expect(page.get_by_test_id("slip-grip")).to_contain_text("2.375")
