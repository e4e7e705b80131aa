"""The page's hand at deltas is that of the Python client: the same frames, the same state."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
import pytest
from playwright.sync_api import Browser, Page

from matchday.model.market import Market, MarketStatus, Selection
from tests.browser.fake_platform import FakePlatform
from tests.unit.pushing import GOALS, RESULT, Client, Desk, Line, market

HISTORIES = 25
APPLY = """async (histories) => {
  const { patchedMarkets, patchedRow } = await import("/patches.js");
  return histories.map((frames) => {
    let board = {}, markets = new Map();
    const rows = new Map();
    for (const { t, channel, data } of frames) {
      if (t === "snapshot" && channel === "home") {
        rows.clear();
        for (const row of data.fixtures) rows.set(row.board.fixture, row);
      } else if (t === "snapshot") {
        board = data.board;
        markets = new Map(data.markets.map((each) => [each.market, each]));
      } else if (t === "delta" && channel === "home") {
        for (const patch of data.fixtures ?? []) {
          const fixture = patch.board.fixture;
          rows.set(fixture, patchedRow(rows.get(fixture), patch));
        }
        for (const fixture of data.removed ?? []) rows.delete(fixture);
      } else if (t === "delta") {
        board = { ...board, ...data.board };
        markets = patchedMarkets("F", markets, data.markets ?? {});
      }
    }
    return { board, markets: Object.fromEntries(markets), rows: Object.fromEntries(rows) };
  });
}"""
pytestmark = pytest.mark.browser


@contextmanager
def page_of(browser: Browser) -> Iterator[Page]:
    with FakePlatform() as platform:
        page = browser.new_page()
        page.goto(platform.url)
        yield page
        page.close()


def moved(chance: random.Random, key: Any) -> Market:
    """A market of F as it may come next: other prices, another state, a selection that is taken off or comes back."""
    found = market("F", key, 1000 + chance.randrange(3000))
    selections = tuple(
        Selection(each.outcome, 1000 + chance.randrange(3) * 500) for each in found.selections if chance.random() < 0.9
    )
    status = chance.choice((MarketStatus.OPEN, MarketStatus.OPEN, MarketStatus.SUSPENDED))
    return msgspec.structs.replace(found, selections=selections, status=status, generation=chance.randrange(1, 3))


def history(seed: int) -> tuple[list[dict[str, Any]], Client]:
    """All frames of one connection, which now and then takes nothing, and the Python client that heard them."""
    chance, desk, client = random.Random(seed), Desk(buffer_bytes_max=600), Client()
    desk.price("F", 2000)
    desk.price("G", 2000)
    line: Line = desk.open("home", "fixture:F")
    frames: list[dict[str, Any]] = []
    score = (0, 0)
    for _ in range(60):
        if chance.random() < 0.1:
            line.stuck = not line.stuck
            if not line.stuck:
                line.sends, line.waiting, line.paused = line.sends + line.waiting, [], False
                desk.push.drained(line)
        if chance.random() < 0.1:
            score = (score[0] + 1, score[1])
        markets = [moved(chance, key) for key in (RESULT, GOALS) if chance.random() < 0.6]
        desk.change("F", *markets, score=score, settle=chance.random() < 0.7)
        if chance.random() < 0.1:
            desk.price("G", 1500 + chance.randrange(900))
        heard = line.read()
        frames += heard
        client.hear(heard)
    assert client.gaps == []
    return frames, client


def test_the_page_and_the_python_client_hold_the_same(browser: Browser) -> None:
    told = [history(seed) for seed in range(HISTORIES)]
    with page_of(browser) as page:
        found = page.evaluate(APPLY, [frames for frames, _ in told])
    merged = sum(bool(frame.get("conflated")) for frames, _ in told for frame in frames)
    assert merged > HISTORIES
    for (_, client), held in zip(told, found, strict=True):
        fixture, home = client.held["fixture:F"], client.held["home"]
        assert held == {"board": fixture.board, "markets": fixture.markets, "rows": home.rows}
