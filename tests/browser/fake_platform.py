"""A platform of its own for the page's tests: the doors' API and a book that the test moves, on real sockets.

Owns a tiny book, one account and what it heard from the page. It judges nothing beyond what the tests ask of it: what
is under test is the page. Runs on a thread; tests call its verbs from theirs.
"""

import asyncio
import contextlib
import math
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.websockets import WebSocket, WebSocketDisconnect

WEB = Path(__file__).parents[2] / "src" / "matchday" / "web"
CSP = "default-src 'self'; style-src 'self'; script-src 'self'; connect-src 'self' ws: wss:; img-src 'self' data:"
EPOCH = "epoch-1"
TOKEN = "token-1"
TOKEN_INVALID = {"t": "error", "reason": "token_invalid", "detail": "the token has ended; sign in again"}
Json = dict[str, Any]

RESULT = {"home": "2.375", "draw": "3.40", "away": "3.10"}
LINES = {"total_goals": ("over", "under"), "asian_handicap": ("home", "away")}


def market(fixture: str, kind: str, prices: dict[str, str], line: str | None = None) -> Json:
    id_ = f"{fixture}:{kind}" + (f"@{line}" if line else "")
    selections = [{"selection": f"{id_}/{name}", "outcome": name, "price": price} for name, price in prices.items()]
    return {"market": id_, "type": kind, "line": line, "status": "open", "generation": 3, "selections": selections}


def fixture_markets(fixture: str) -> list[Json]:
    made = [market(fixture, "1x2", RESULT), market(fixture, "both_teams_to_score", {"yes": "1.80", "no": "2.05"})]
    made += [
        market(fixture, "double_chance", {"1x": "1.30", "12": "1.25", "x2": "1.55"}),
        market(fixture, "half_time_full_time", {f"home-{last}": "4.50" for last in RESULT}),
        market(fixture, "correct_score", {"2-1": "5.00", "2-2": "6.00", "2-3": "40.00", "other_home": "9.00"}),
        market(fixture, "next_goal", {"home": "2.10", "none": "4.00", "away": "3.20"}, "3") | {"status": "closed"},
        market(fixture, "next_goal", {"home": "2.20", "none": "3.00", "away": "3.30"}, "4"),
        market(fixture, "team_total_home", {"over": "1.70", "under": "2.10"}, "2.5"),
        market(fixture, "total_corners", {"over": "1.80", "under": "2.00"}, "9.5"),
        market(fixture, "throw_ins", {"plenty": "1.80", "few": "2.00"}),
    ]
    for quarters in range(2, 19):
        line = f"{quarters / 4:g}" + ("" if quarters % 4 else ".0")
        made.append(market(fixture, "total_goals", {"over": f"{1 + quarters / 10:.2f}", "under": "1.95"}, line))
    for quarters in range(-8, 9):
        line = f"{quarters / 4:g}" + ("" if quarters % 4 else ".0")
        made.append(market(fixture, "asian_handicap", {"home": f"{2.0 - quarters / 20:.2f}", "away": "1.95"}, line))
    return made


def board(fixture: str, home: str, away: str, now: int, **fields: Any) -> Json:
    plain: Json = {
        "fixture": fixture, "competition": "Premier Division", "home": home, "away": away,
        "kickoff_ms": now + 3_600_000, "status": "scheduled", "period": "pre",
        "clock_s": 0, "clock_at_ms": now, "clock_rate": 0.0, "score": [0, 0],
        "half_time": None, "shoot_out": None, "red": [0, 0], "corners": [0, 0], "source": "a match made for tests",
    }  # fmt: skip
    return plain | fields


MESSAGES_PER_S, BURST_S = 20, 2
"""What a client may say, as the platform counts it."""


class FakePlatform:
    """Begin with ``with FakePlatform() as platform``; then move its book and see what the page does."""

    def __init__(self, heartbeat_ms: int = 5_000) -> None:
        self.heartbeat_ms = heartbeat_ms
        self.heard: list[Json] = []
        """Every message of every socket, in order."""
        self.posts: list[Json] = []
        """Every body of POST /api/bets."""
        self.asked: list[str] = []
        """Ids asked about by GET /api/bets/by-id."""
        self.refusals: list[Json] = []
        """What the next bets are refused with, one each."""
        self.waits_ms = 0
        """How long bets wait before they are taken."""
        self.late_refusal: Json = {}
        """What a bet that waited is refused with, if anything."""
        self.joint_price = "3.10"
        """Of any combination."""
        self.free_bets: list[Json] = []
        self.cash_outs: list[Json] = []
        """Every body of POST /api/bets/{bet}/cash-out."""
        self.connections = 0
        self.too_busy = 0
        """Connections that were closed for saying too much."""
        self.silent = False
        """Say nothing at all: no frame, no heartbeat."""
        self.full = False
        """Whether all connections that the account may have are there."""
        self.deaf_to_taps = False
        self.refused_by_socket = self.refused_by_door = False
        """Who takes the token no longer."""
        self._stale: Json = {"stale": False}
        """What is said of the prices' source."""
        self.boards: dict[str, Json] = {}
        self.markets: dict[str, dict[str, Json]] = {}
        self.offset = {"home": 100, "account": 7}
        self.history: dict[str, list[Json]] = {}
        self.balance = 100_000
        self.bets: dict[str, Json] = {}
        self._sockets: dict[WebSocket, set[str]] = {}
        self._loop = asyncio.new_event_loop()
        now = self.now()
        self._add(board("m1", "Ashford Town", "Bramley Rovers", now, status="live", period="2H", clock_s=1_290,
                        clock_rate=1.0, score=[2, 1], half_time=[1, 1], red=[0, 1], corners=[5, 3]))  # fmt: skip
        self._add(board("m2", "Castlegate", "Dunmore Athletic", now, status="live", period="1H", clock_s=2_765,
                        clock_rate=1.0))  # fmt: skip
        self._add(board("m3", "Eastwick", "Farleigh", now))

    # --- running ------------------------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        config = uvicorn.Config(self._app(), ws="websockets-sansio", log_config=None, lifespan="off")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._run, args=(listener,))
        self._thread.start()
        return self

    def _run(self, listener: socket.socket) -> None:
        asyncio.set_event_loop(self._loop)
        with listener:
            self._loop.run_until_complete(self._server.serve([listener]))
        self._loop.close()

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = self._server.force_exit = True
        self._thread.join(10)

    def _now(self, work: Callable[[], Any]) -> Any:
        """Do something on the server's thread, and wait for it."""

        async def run() -> Any:
            result = work()
            return await result if asyncio.iscoroutine(result) else result

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(10)

    @staticmethod
    def now() -> int:
        return time.time_ns() // 1_000_000

    # --- the book, as tests move it -----------------------------------------------------------------------------------

    def _add(self, made: Json) -> None:
        fixture = made["fixture"]
        self.boards[fixture] = made
        self.markets[fixture] = {each["market"]: each for each in fixture_markets(fixture)}
        self.offset[f"fixture:{fixture}"] = 100

    def price(self, selection: str, price: str) -> None:
        """Move one price."""
        self._change(selection, price=price)

    def status(self, market_id: str, status: str) -> None:
        """Suspend or reopen a market; a new generation."""
        self._change(f"{market_id}/", status=status)

    def lose(self, selection: str, price: str) -> None:
        """Move a price and lose the frames that say so: the next delta leaves a gap."""
        self._change(selection, price=price, lost=True)

    def _change(self, selection: str, *, price: str = "", status: str = "", lost: bool = False) -> None:
        market_id = selection.rpartition("/")[0]
        fixture = market_id.partition(":")[0]
        market = self.markets[fixture][market_id]
        patch: Json = {}
        for each in market["selections"]:
            if each["selection"] == selection:
                each["price"] = price
                patch["prices"] = [price if other is each else None for other in market["selections"]]
        if status:
            patch |= {"status": status, "generation": market["generation"] + 1}
            market |= patch
        name, at = market_id.partition(":")[2], self.boards[fixture]  # which a test may have changed
        self._now(lambda: self._say(f"fixture:{fixture}", {"board": at, "markets": {name: patch}}, lost=lost))
        if market["type"] == "1x2":
            row = {"board": at, "market": patch}
            self._now(lambda: self._say("home", {"fixtures": [row]}, lost=lost))

    def add(self, *fixtures: str) -> None:
        """More fixtures, for pages that are yet to come."""
        for fixture in fixtures:
            self._add(board(fixture, f"Home {fixture}", f"Away {fixture}", self.now()))

    def forget(self, *fixtures: str) -> None:
        """Of fixtures that are long over, whose channels are known no more."""
        for fixture in fixtures:
            del self.offset[f"fixture:{fixture}"]

    def remove(self, fixture: str) -> None:
        """Take a fixture off the board."""
        self._now(lambda: self._say("home", {"removed": [fixture]}))

    def settle(self, bet: str, status: str, returns: int) -> None:
        """Settle a bet and tell its fan."""
        self.balance += returns
        self.bets[bet] |= {"status": status, "returns": f"{returns / 100:.2f}", "version": 1}
        fact = {"kind": "bet_settled", "balance": self.purse, "bet": bet, "status": status, "version": 1,
                "returns": f"{returns / 100:.2f}", "change": f"{returns / 100:.2f}"}  # fmt: skip
        self._now(lambda: self._say("account", {"facts": [fact]}))

    def drop(self) -> None:
        """Cut every socket."""
        self._now(self._drop)

    async def _drop(self) -> None:
        for each in tuple(self._sockets):
            await each.close(1012)

    def stale(self, stale: bool, *fixtures: str) -> None:
        """Say a heartbeat, and the same to whoever comes from now on."""
        self._stale = {"stale": stale, **({"stale_fixtures": list(fixtures)} if fixtures else {})}
        self._now(lambda: self._to_all(None, {"t": "heartbeat", "at": self.now(), **self._stale}))

    def end_token(self, *, door: bool) -> None:
        """Sockets take it no longer and say so; ``door``: requests are answered 401, too."""
        self.refused_by_socket, self.refused_by_door = True, door
        self._now(lambda: self._to_all(None, TOKEN_INVALID))

    def heard_of(self, op: str, channel: str) -> list[Json]:
        """Messages of one kind about one channel."""
        return [message for message in self.heard if message["op"] == op and message.get("channel") == channel]

    # --- the socket ---------------------------------------------------------------------------------------------------

    async def _say(self, channel: str, data: Json, *, lost: bool = False) -> None:
        before = self.offset[channel]
        self.offset[channel] = before + 3
        frame = {"t": "delta", "channel": channel, "from": before, "to": before + 3, "at": self.now(), "cause": "tick",
                 "data": data}  # fmt: skip
        self.history.setdefault(channel, []).append(frame)
        if not lost:
            await self._to_all(channel, frame)

    async def _to_all(self, channel: str | None, frame: Json) -> None:
        for each, channels in tuple(self._sockets.items()):
            if not self.silent and (channel is None or channel in channels):
                with contextlib.suppress(WebSocketDisconnect):  # the page is leaving at this moment
                    await each.send_json(frame)

    async def _socket(self, each: WebSocket) -> None:
        await each.accept()
        self.connections += 1
        if not self.silent:
            await each.send_json({"t": "hello", "heartbeat_ms": self.heartbeat_ms, "at": self.now(), **self._stale})
        self._sockets[each] = set()
        paid_s = 0.0
        try:
            while True:
                message = await each.receive_json()
                self.heard.append(message)
                unknown = message["op"] == "subscribe" and message["channel"] not in self.offset
                paid_s = max(paid_s, time.monotonic()) + (6 if unknown else 1) / MESSAGES_PER_S
                if paid_s - time.monotonic() > BURST_S:
                    self.too_busy += 1
                    await each.close(4029)
                    return
                if self.silent:
                    continue
                if message["op"] == "auth" and self.refused_by_socket:
                    await each.send_json(TOKEN_INVALID)
                elif message["op"] == "subscribe":
                    await self._subscribe(each, message["channel"], message.get("resume"))
                elif message["op"] == "taps" and not self.deaf_to_taps:
                    to = message["first"] + len(message["taps"]) - 1
                    await each.send_json({"t": "tapped", "screen": message["screen"], "to": to})
                elif message["op"] == "unsubscribe":
                    self._sockets[each].discard(message["channel"])
        except WebSocketDisconnect:
            pass
        finally:
            del self._sockets[each]

    async def _subscribe(self, each: WebSocket, channel: str, resume: Json | None) -> None:
        if channel not in self.offset:
            await each.send_json({"t": "error", "reason": "channel_unknown", "detail": channel, "channel": channel})
            return
        if channel == "account" and self.full:
            await each.send_json({"t": "error", "reason": "not_signed_in", "detail": channel, "channel": channel})
            return
        self._sockets[each].add(channel)
        if resume and resume["epoch"] == EPOCH:
            await each.send_json({"t": "resumed", "channel": channel, "epoch": EPOCH, "to": resume["offset"]})
            for frame in self.history.get(channel, []):
                if frame["to"] > resume["offset"]:
                    await each.send_json(frame)
            return
        frame = {"t": "snapshot", "channel": channel, "epoch": EPOCH, "to": self.offset[channel], "at": self.now()}
        await each.send_json(frame | {"data": self._data(channel)})

    def _data(self, channel: str) -> Json:
        if channel == "home":
            rows = [{"board": at, "market": self.markets[f][f"{f}:1x2"]} for f, at in self.boards.items()]
            return {"fixtures": rows}
        if channel == "account":
            bets = list(self.bets.values())[::-1]
            return {"account": "fan", "currency": "EUR", "balance": self.purse, "bets": bets}
        fixture = channel.removeprefix("fixture:")
        return {"board": self.boards[fixture], "markets": list(self.markets[fixture].values())}

    # --- HTTP ---------------------------------------------------------------------------------------------------------

    @property
    def purse(self) -> str:
        return f"{self.balance // 100}.{self.balance % 100:02d}"

    def _app(self) -> Starlette:
        async def guest(_: Request) -> Response:
            return JSONResponse({"account": "fan", "token": TOKEN, "expires_ms": self.now() + 10**7, "currency": "EUR",
                                 "balance": self.purse}, 201)  # fmt: skip

        async def account(_: Request) -> Response:
            if self.refused_by_door:
                return JSONResponse({"reason": "not_signed_in"}, 401)
            return JSONResponse({"account": "fan", "currency": "EUR", "balance": self.purse, "status": "open",
                                 "free_bets": self.free_bets, "limits": [{
                                     "limit": "stake_day", "amount": "2000.00", "used": "30.00", "next_amount": None,
                                     "next_at_ms": 0}]})  # fmt: skip

        async def statement(_: Request) -> Response:
            rows = [{"entry": 2 + n, "at_ms": bet["placed_ms"], "reason": "stake", "amount": f"-{bet['stake']}",
                     "currency": "EUR", "bet": bet["bet"]} for n, bet in enumerate(self.bets.values())]  # fmt: skip
            grant = {"entry": 1, "at_ms": self.now(), "reason": "grant", "amount": "1000.00", "currency": "EUR",
                     "bet": None}  # fmt: skip
            return JSONResponse({"entries": [*rows[::-1], grant], "next": None})

        async def bets(_: Request) -> Response:
            return JSONResponse({"bets": list(self.bets.values())[::-1], "next": None})

        async def fixture(request: Request) -> Response:
            known = request.path_params["id"] in self.boards
            return JSONResponse({} if known else {"reason": "fixture_unknown"}, 200 if known else 404)

        async def by_id(request: Request) -> Response:
            self.asked.append(request.path_params["id"])
            found = [bet for bet in self.bets.values() if bet["id"] == self.asked[-1]]
            if not found:
                return JSONResponse({"type": "/problems/id_unknown", "reason": "id_unknown"}, 404)
            return JSONResponse({"answer": "accepted", "id": self.asked[-1], "bet": found[0], "repeated": True})

        async def quote(request: Request) -> Response:
            body = await request.json()
            legs = [{"price": self.joint_price, "reason": None} if "parts" in leg else {"price": "2.00", "reason": None}
                    for leg in body["legs"]]  # fmt: skip
            return JSONResponse({"legs": legs, "type": body["type"], "lines": 1, "stake_max": "500.00",
                                 "returns_max": "1000.00", "reason": None})  # fmt: skip

        async def offered(request: Request) -> Response:
            stake = request.query_params.get("stake", "")
            amount = "4.00" if stake else "8.00"
            return JSONResponse({"bet": request.path_params["bet"], "stake": stake, "amount": amount,
                                 "until_ms": self.now() + 10_000, "quote": f"signed{stake}"})  # fmt: skip

        return Starlette(routes=[
            Route("/api/bets/quote", quote, methods=["POST"]),
            Route("/api/bets/{bet}/cash-out", offered, methods=["GET"]),
            Route("/api/bets/{bet}/cash-out", self._cash_out, methods=["POST"]),
            Route("/api/guest", guest, methods=["POST"]),
            Route("/api/account", account),
            Route("/api/account/statement", statement),
            Route("/api/bets", bets, methods=["GET"]),
            Route("/api/bets", self._place, methods=["POST"]),
            Route("/api/bets/by-id/{id}", by_id),
            Route("/api/fixtures/{id}", fixture),
            WebSocketRoute("/ws", self._socket),
            Mount("/", _Files(directory=WEB, html=True)),
        ])  # fmt: skip

    async def _place(self, request: Request) -> Response:
        body = await request.json()
        self.posts.append(body)
        if self.refusals:
            problem = {
                "type": "/problems/refused",
                "title": "Refused",
                "status": 409,
                "detail": "",
                **self.refusals.pop(0),
            }
            return JSONResponse(problem, 409, media_type="application/problem+json")
        if self.waits_ms:
            until_ms = self.now() + self.waits_ms
            self._loop.call_later(self.waits_ms / 1000, lambda: asyncio.ensure_future(self._take_and_say(body)))
            return JSONResponse({"answer": "pending", "id": body["id"], "until_ms": until_ms}, 202)
        known = [bet for bet in self.bets.values() if bet["id"] == body["id"]]
        bet = known[0] if known else self._take(body)
        if not known:
            fact = {"kind": "bet_accepted", "balance": self.purse, "bet": bet}
            await self._say("account", {"facts": [fact]})
        answer = {"answer": "accepted", "id": body["id"], "bet": bet, "balance": self.purse, "repeated": bool(known)}
        return JSONResponse(answer, 201)

    async def _take_and_say(self, body: Json) -> None:
        """What waited is taken, or refused where a refusal was prepared: said on the account's channel alone."""
        if self.late_refusal:
            await self._say("account", {"facts": [{"kind": "bet_refused", "balance": self.purse, "id": body["id"],
                                                   "detail": "", **self.late_refusal}]})  # fmt: skip
            return
        bet = self._take(body)
        await self._say("account", {"facts": [{"kind": "bet_accepted", "balance": self.purse, "bet": bet}]})

    async def _cash_out(self, request: Request) -> Response:
        body, bet = await request.json(), self.bets[request.path_params["bet"]]
        self.cash_outs.append(body)
        half = body["quote"] != "signed"
        amount = 400 if half else 800
        self.balance += amount
        cashed = "5.00" if half else bet["stake"]
        bet |= {"cashed": cashed, "cash": f"{amount / 100:.2f}", "status": "open" if half else "cashed_out"}
        fact = {"kind": "bet_cashed_out", "balance": self.purse, "bet": bet["bet"], "stake": cashed,
                "amount": bet["cash"], "remaining": "5.00" if half else "0.00", "change": bet["cash"]}  # fmt: skip
        answer = {"answer": "accepted", "id": body["id"], "bet": bet, "balance": self.purse, "repeated": False}
        await self._say("account", {"facts": [fact]})
        return JSONResponse(answer)

    def _take(self, body: Json) -> Json:
        self.balance -= 0 if body.get("free_bet") else round(float(body["stake"]) * 100)
        legs = []
        for leg in body["legs"]:
            parts = [part | {"market": part["selection"].rpartition("/")[0]} for part in leg.get("parts", ())]
            market_id = parts[0]["market"] if parts else leg["selection"].rpartition("/")[0]
            fixture = market_id.partition(":")[0]
            named = {"market": f"{fixture}:combination", "selection": f"{fixture}:combination/all", "parts": parts}
            legs.append(leg | {"fixture": fixture} | (named if parts else {"market": market_id}))
        most = float(body["stake"]) * math.prod(float(leg["price"]) for leg in legs)
        bet = {"bet": f"b{len(self.bets) + 1}", "id": body["id"], "stake": body["stake"], "currency": "EUR",
               "policy": body["policy"], "status": "open", "returns": "0.00", "placed_ms": self.now(), "version": 0,
               "returns_max": f"{most:.2f}",
               "legs": legs, "type": body.get("type", "single"), "free_bet": body.get("free_bet", "")}  # fmt: skip
        self.bets[bet["bet"]] = bet
        return bet


class _Files(StaticFiles):
    """The page's files under the policy that the platform serves."""

    async def get_response(self, path: str, scope: Any) -> Response:
        response = await super().get_response(path, scope)
        response.headers["Content-Security-Policy"] = CSP
        return response
