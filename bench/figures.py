"""The figures of docs/performance.md: what is timed, how long it takes, beside a reference in the same run.

make bench            a table;  python bench/figures.py --json  for programs
"""

import argparse
import asyncio
import json
import os
import resource
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import astuple

from matchday.backends.clock_wall import WallClock
from matchday.backends.ledger_sqlite import SqliteLedgerCore
from matchday.backends.log_sqlite import SqliteLogCore
from matchday.config import Settings
from matchday.edge.frames import deflated, frame_binary, frame_text
from matchday.feeds.simulated import SimulatedLeague
from matchday.model.bet import Leg, Policy
from matchday.model.book import Books
from matchday.model.football import FootballState, Period, Team
from matchday.model.football_markets import decisions
from matchday.model.ledger import OpenAccount, PlaceBet, Transfer
from matchday.model.messages import BookChanged, FixtureStatus, Incident, PricedOn, Topic, decode
from matchday.pricing.calibrate import PRIOR
from matchday.pricing.football import price_book, warm_up
from matchday.pricing.joint import Combination, combination_price
from matchday.services.feed import Feed
from matchday.services.odds import Odds
from matchday.services.push import Framing, Push
from matchday.sim.clock import VirtualClock
from matchday.sim.inline import InlineLedger, InlineLog

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.real import new_id, poll, serving

Row = dict[str, Any]


def percentiles(samples: Sequence[float]) -> tuple[float, float]:
    ordered = sorted(samples)
    return statistics.median(ordered), ordered[int(len(ordered) * 0.99)]


def pricing() -> list[Row]:
    warm_up()
    rows = []
    for period in (Period.FIRST, Period.SECOND):
        times, quote = [], price_book(PRIOR, FootballState(period=period), 0, 0.05)
        for second in range(600):
            began = time.perf_counter()
            price_book(PRIOR, FootballState(period=period), second * 4, 0.05)
            times.append(1e3 * (time.perf_counter() - began))
        median, high = percentiles(times)
        size = f"{sum(map(len, quote.values()))} selections of {len(quote)} markets"
        rows.append({"name": f"price a book, {period}", "what": f"{size} from the state of a match, in process",
                     "median": median, "p99": high, "unit": "ms"})  # fmt: skip
    return rows


def combining() -> list[Row]:
    """In the first half, where the goals of both halves are still to come."""
    inputs = PricedOn(PRIOR, FootballState(Period.FIRST), 1_200)
    quote = price_book(inputs.strengths, inputs.state, inputs.clock_s, 0.05)
    kinds = (
        "1x2", "both_teams_to_score", "double_chance", "draw_no_bet", "odd_even", "half_time_result", "next_goal@1",
        "total_goals@2.5", "team_total_home@1.5", "asian_handicap@-1.0",
    )  # fmt: skip
    parts = [(key, *astuple(quote[key][0])) for name in kinds for key in quote if key.name == name]
    rows = []
    for count in (2, 10):
        times = []
        assert isinstance(combination_price(inputs, parts[:count]), Combination)
        for _ in range(600):
            began = time.perf_counter()
            combination_price(inputs, parts[:count])
            times.append(1e3 * (time.perf_counter() - began))
        median, high = percentiles(times)
        rows.append({"name": f"price {count} parts together", "what": "a combination, from what its book was priced on",
                     "median": median, "p99": high, "unit": "ms"})  # fmt: skip
    return rows


def deciding() -> list[Row]:
    state = FootballState(period=Period.SECOND, home=Team(1, 1), away=Team(0, 1), order=("home", "away", "home"))
    times, found = [], decisions(state)
    for _ in range(600):
        began = time.perf_counter()
        decisions(state)
        times.append(1e3 * (time.perf_counter() - began))
    median, high = percentiles(times)
    decided = sum(outcome is not None for outcome in found.values())
    return [{"name": "decide a book", "what": f"which of {len(found)} selections are decided: {decided}",
             "median": median, "p99": high, "unit": "ms"}]  # fmt: skip


def incident_to_prices() -> list[Row]:
    """The real feed and odds rooms over the in-memory log, warmed up as the platform is; what the feed catches up on at
    its start, all in one batch, is left out."""
    warm_up()
    clock = VirtualClock(1, 1_790_000_000_000)
    log = InlineLog(SqliteLogCore(":memory:", clock.new_id), clock)
    settings = Settings()
    heard: dict[tuple[str, str], float] = {}
    times = []

    def incidents(records: Sequence[Any]) -> None:
        for stored in records:
            if isinstance(decode(stored.value), Incident):
                message = decode(stored.value)
                assert isinstance(message, Incident)
                heard[stored.key, message.type] = time.perf_counter()

    def books(records: Sequence[Any]) -> None:
        for stored in records:
            change = decode(stored.value)
            if isinstance(change, BookChanged) and len(change.markets) > 20 and (stored.key, change.cause) in heard:
                times.append(1e3 * (time.perf_counter() - heard.pop((stored.key, change.cause))))

    log.tail(Topic.INCIDENTS, None, incidents)
    Odds(clock, log, price_book, settings.odds, 10).start()
    log.tail(Topic.BOOKS, None, books)
    Feed(clock, log, SimulatedLeague(1, 10), settings.feed).start()
    clock.run_for(10_000)
    times.clear()
    clock.run_for(600_000)
    median, high = percentiles(times)
    return [{"name": "incident to prices", "what": "incident heard by odds -> book repriced, logged (in memory), heard "
             f"by the gate; {len(times)} incidents", "median": median, "p99": high, "unit": "ms"}]  # fmt: skip


def ledger(folder: Path) -> list[Row]:
    """The ledger's core on a real file (WAL, synchronous=FULL), beside appends of as many bytes with fdatasync."""
    rows: list[Row] = []
    loop = asyncio.new_event_loop()
    clock = WallClock(loop)
    core = SqliteLedgerCore(folder / "ledger.sqlite")
    now = clock.now_ms()
    fans = [f"fan{n}" for n in range(200)]
    for fan in fans:
        core.commit([OpenAccount(fan, fan, "EUR", now), Transfer(f"g{fan}", fan, 10**9, "EUR", "grant", now)])
    reference = os.open(folder / "reference", os.O_WRONLY | os.O_CREAT, 0o600)
    leg = Leg("F", "F:1x2", "F:1x2/home", 2000, 0)
    number = 0
    for batch in (1, 16, 64, 256):
        spent = plain = 0.0
        count = 0
        until = time.perf_counter() + 2.5
        while time.perf_counter() < until:
            commands = []
            for _ in range(batch):
                number += 1
                fan, at_ms = fans[number % 200], clock.now_ms()
                commands.append(
                    PlaceBet(clock.new_id(), fan, "EUR", 10, Policy.ANY, (leg,), clock.new_id(), at_ms, (leg,))
                )
            began = time.perf_counter()
            core.commit(commands)
            spent += time.perf_counter() - began
            began = time.perf_counter()
            os.write(reference, b"x" * 400 * batch)
            os.fdatasync(reference)
            plain += time.perf_counter() - began
            count += batch
        rows.append({"name": f"ledger, batches of {batch}", "what": "bets committed per second, core alone, WAL FULL",
                     "value": count / spent, "unit": "bets/s", "reference": count / plain,
                     "reference_what": "append of 400 B a bet + fdatasync"})  # fmt: skip
    core.close()
    loop.close()
    return rows


def http(folder: Path) -> list[Row]:
    """The real command: bets over HTTP, 16 connections, closed loop."""
    os.environ["MATCHDAY_DOORS_REQUESTS_PER_SECOND_MAX"] = "100000"
    os.environ["MATCHDAY_BETS_EXPOSURE_SELECTION_MAX"] = "1000000000"
    with serving(folder / "http", "--speed", "1") as server:
        poll(lambda: server.ask("GET", "/healthz")[1]["status"] == "ok")

        def upcoming() -> list[Any]:
            rows = server.ask("GET", "/api/fixtures")[1]["fixtures"]
            return [
                r["market"] for r in rows if r["board"]["status"] == "scheduled" and r["market"]["status"] == "open"
            ]

        market = poll(upcoming)[-1]
        leg = {"selection": market["selections"][0]["selection"], "price": market["selections"][0]["price"],
               "generation": market["generation"]}  # fmt: skip
        tokens = [server.guest() for _ in range(16)]
        times: list[float] = []
        statuses: dict[str, int] = {}

        async def fan(token: str, until: float) -> None:
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            while time.perf_counter() < until:
                body = json.dumps(
                    {"id": new_id(), "stake": "0.10", "currency": "EUR", "policy": "any", "legs": [leg]}
                ).encode()
                head = (f"POST /api/bets HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
                        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n").encode()  # fmt: skip
                began = time.perf_counter()
                writer.write(head + body)
                status = int((await reader.readline()).split()[1])
                size = 0
                while (line := await reader.readline()) != b"\r\n":
                    if line.lower().startswith(b"content-length"):
                        size = int(line.split()[1])
                content = json.loads(await reader.readexactly(size))
                times.append(1e3 * (time.perf_counter() - began))
                said = content.get("reason", status)
                statuses[said] = statuses.get(said, 0) + 1
            writer.close()

        async def crowd() -> float:
            began = time.perf_counter()
            await asyncio.gather(*(fan(token, began + 4) for token in tokens))
            return time.perf_counter() - began

        took = asyncio.run(crowd())
        median, high = percentiles(times)
        memory = int(Path(f"/proc/{server.process.pid}/statm").read_text().split()[1]) * resource.getpagesize() / 2**20
        return [
            {"name": "bets over HTTP", "what": f"real command, 16 connections, client on the same cores; {statuses}",
             "value": len(times) / took, "unit": "answers/s", "median": median, "p99": high},
            {"name": "memory", "what": "resident, after that", "value": memory, "unit": "MB"},
        ]  # fmt: skip


def fan_out(count: int) -> list[Row]:
    """One change to so many sockets through the push room, beside a bare loop of send over them; interleaved."""
    pairs = [socket.socketpair() for _ in range(count)]

    class Screen:
        binary = deflated = False

        def __init__(self, mine: socket.socket) -> None:
            self._send = mine.send

        def send(self, data: bytes) -> None:
            self._send(data)

        def buffered(self) -> int:
            return 0

        def ping(self) -> None:
            """It has said something lately."""

        def close(self, code: int, reason: str) -> None:
            raise AssertionError(code, reason)

    clock = VirtualClock(1)
    books, settings = Books(), Settings()
    push = Push(clock, books, "e", settings.push, ledger=InlineLedger(SqliteLedgerCore(":memory:"), clock),
                verify=lambda _: None, framing=Framing(frame_text, frame_binary, deflated),
                stale=lambda: False)  # fmt: skip
    log = InlineLog(SqliteLogCore(":memory:", clock.new_id), clock)
    changes: list[BookChanged] = []
    log.tail(
        Topic.BOOKS,
        None,
        lambda records: changes.extend(m for s in records if isinstance(m := decode(s.value), BookChanged)),
    )
    Odds(clock, log, price_book, settings.odds, 1).start()
    Feed(clock, log, SimulatedLeague(1, 1), settings.feed).start()
    clock.run_for(5_000)
    first = next(change for change in changes if change.board.status == FixtureStatus.LIVE)
    books.apply(first, 1)
    for mine, theirs in pairs:
        screen = Screen(mine)
        push.opened(screen)
        push.received(screen, b'{"op":"subscribe","channel":"fixture:%s"}' % first.fixture.encode())
        clock.run_for(0)
        theirs.recv(1 << 20)
    frame = b""
    ratios, ours, bare = [], [], []
    for n in range(2, 22):
        change = msgspec.structs.replace(first, n=first.n + n, markets=first.markets[:1])
        began = time.process_time()
        books.apply(change, n)
        push.book_changed(change, n)
        clock.run_for(0)
        spent = time.process_time() - began
        frame = pairs[0][1].recv(1 << 20)
        for _, theirs in pairs[1:]:
            theirs.recv(1 << 20)
        began = time.process_time()
        for mine, _ in pairs:
            mine.send(frame)
        plain = time.process_time() - began
        for _, theirs in pairs:
            theirs.recv(1 << 20)
        ratios.append(spent / plain)
        ours.append(1e6 * spent / count)
        bare.append(1e6 * plain / count)
    for mine, theirs in pairs:
        mine.close()
        theirs.close()
    return [{"name": f"fan-out to {count}", "what": f"one change ({len(frame)} B) to every subscriber: CPU per message "
             "of the push room", "value": statistics.median(ours), "unit": "us", "reference": statistics.median(bare),
             "reference_what": "bare socket.send loop, same bytes", "ratio": statistics.median(ratios)}]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="rows for programs")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = [
            *pricing(),
            *combining(),
            *deciding(),
            *incident_to_prices(),
            *ledger(folder),
            *http(folder),
            *fan_out(1_000),
        ]
    if options.json:
        print(json.dumps(rows, indent=2))
        return
    for row in rows:
        figures = {k: round(v, 3) if isinstance(v, float) else v for k, v in row.items() if k not in ("name", "what")}
        print(f"{row['name']:24} {figures}\n{'':24} {row['what']}")


if __name__ == "__main__":
    main()
