"""A fan's story in a real browser, against the real command: sign in, watch, bet, see it settle."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.real import serving

pytestmark = pytest.mark.browser
FAST = "120"
"""Match seconds a second: a match lasts under a minute."""
TRIES_MAX = 5


def open_price(page: Page) -> str:
    """Of the live match that began last: one about to end could be over before the bet is placed."""
    button = page.locator('[data-testid^="match-row-"]', has=page.locator(".when.live")).locator(
        'button.price[data-status="open"]'
    )
    expect(button.first).to_be_visible()
    return str(button.last.get_attribute("data-testid"))


def take(page: Page) -> None:
    """Place what is on the slip. Eight minutes of the match pass in the delay: where a goal falls between, as it may
    more than once, it is placed as it is then."""
    answer = page.get_by_test_id("slip-answer")
    for _ in range(TRIES_MAX):
        page.get_by_test_id("slip-place").click()
        expect(answer).to_have_attribute("data-answer", re.compile("accepted|refused"))
        if answer.get_attribute("data-answer") == "accepted":
            return
        assert answer.get_attribute("data-reason") in ("generation_stale", "market_suspended"), page.content()
    raise AssertionError(f"refused {TRIES_MAX} times")


def extensions(page: Page) -> list[str]:
    """What its WebSockets come to agree to use, each."""
    agreed: list[str] = []
    session = page.context.new_cdp_session(page)
    session.on(
        "Network.webSocketHandshakeResponseReceived",
        lambda event: agreed.append(event["response"]["headers"].get("Sec-WebSocket-Extensions", "none")),
    )
    session.send("Network.enable")
    return agreed


def test_a_fan_bets_and_is_paid(browser: Browser, tmp_path: Path) -> None:
    """The whole loop: prices move, a bet is taken, a market is suspended, the bet settles, the balance follows."""
    with serving(tmp_path / "data", "--speed", FAST) as server:
        page = browser.new_page(viewport={"width": 1200, "height": 800})
        faults: list[str] = []
        page.on("pageerror", lambda error: faults.append(str(error)))
        agreed = extensions(page)
        page.goto(server.url)
        expect(page.get_by_test_id("connection")).to_have_attribute("data-state", "live")
        page.get_by_test_id("sign-in").click()
        expect(page.get_by_test_id("balance")).to_have_text("€1,000.00")
        expect(page.locator("button.price.up, button.price.down").first).to_be_visible()
        page.get_by_test_id(open_price(page)).click()
        page.get_by_label("Any price").check()
        page.get_by_test_id("slip-stake").fill("10.00")
        take(page)
        expect(page.get_by_test_id("balance")).to_have_text("€990.00")
        expect(page.locator('button.price[data-status="suspended"]').first).to_be_visible(timeout=40_000)
        page.goto(f"{server.url}/#/bets")
        status = page.get_by_test_id("bet-status")
        expect(status).to_have_text(re.compile("Won|Lost|Void"), timeout=90_000)
        won = status.inner_text() != "Lost"
        expect(page.get_by_test_id("balance")).not_to_have_text("€990.00") if won else expect(
            page.get_by_test_id("balance")
        ).to_have_text("€990.00")
        assert faults == []
        # All that was seen here came in frames that were compressed once for all.
        assert {one.partition(";")[0] for one in agreed} == {"permessage-deflate"}


def test_the_page_catches_up_after_the_server_was_gone(browser: Browser, tmp_path: Path) -> None:
    """A restart in mid-match: the page reconnects by itself, the account and its token stay good."""
    page = browser.new_page(viewport={"width": 390, "height": 800})
    with serving(tmp_path / "data", "--speed", "30") as server:
        port = server.port
        page.goto(server.url)
        page.get_by_test_id("sign-in").click()
        expect(page.get_by_test_id("balance")).to_have_text("€1,000.00")
    expect(page.get_by_test_id("connection")).to_have_attribute("data-state", "reconnecting")
    with serving(tmp_path / "data", "--speed", "30", port=port):
        expect(page.get_by_test_id("connection")).to_have_attribute("data-state", "live")
        expect(page.get_by_test_id("balance")).to_have_text("€1,000.00")
        expect(page.locator(".when.live").first).to_be_visible()
