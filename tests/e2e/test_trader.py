"""A trader's story through the real command: his token, a market that he suspends, a restart by SIGKILL, a price that
he fixes and that a fan gets."""

import signal
from pathlib import Path
from typing import Any

from tests.real import Server, command, new_id, poll, serving


def trader(data: Path) -> str:
    process = command("token", "--role", "trader", "--name", "tom", "--data", str(data))
    out, _ = process.communicate(timeout=15)
    assert process.returncode == 0
    return out.strip()


def upcoming(server: Server) -> str:
    def find() -> Any:
        rows = server.ask("GET", "/api/fixtures")[1]["fixtures"]
        found = [row for row in rows if row["board"]["status"] == "scheduled" and row["market"]["status"] == "open"]
        return found and found[-1]["board"]["fixture"]

    return str(poll(find))


def result_market(server: Server, fixture: str) -> Any:
    markets = server.ask("GET", f"/api/fixtures/{fixture}")[1]["markets"]
    return next(market for market in markets if market["type"] == "1x2")


def bet(market: dict[str, Any]) -> dict[str, Any]:
    selection = market["selections"][0]
    leg = {"selection": selection["selection"], "price": selection["price"], "generation": market["generation"]}
    return {"id": new_id(), "stake": "1.00", "currency": "EUR", "policy": "any", "legs": [leg]}


def test_a_trader_suspends_fixes_and_resumes(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        fixture, token = upcoming(server), trader(tmp_path)
        before = result_market(server, fixture)
        suspend = {"id": new_id(), "fixture": fixture, "action": "suspend", "markets": "1x2"}
        assert server.ask("POST", "/api/trader/commands", suspend, server.guest())[1]["reason"] == "not_allowed"
        assert server.ask("POST", "/api/trader/commands", suspend, token)[0] == 202
        server.stop(signal.SIGKILL)  # it was answered: it is not lost
    with serving(tmp_path) as server:
        fan = server.guest()
        poll(lambda: server.ask("GET", "/healthz")[1]["status"] == "ok")
        poll(lambda: server.ask("GET", f"/api/trader/fixtures/{fixture}", token=token)[1]["applied"])
        market = result_market(server, fixture)
        assert market["status"] == "suspended"
        assert market["generation"] > before["generation"]
        refused = server.ask("POST", "/api/bets", bet(market), fan)
        assert (refused[0], refused[1]["reason"]) == (409, "market_suspended")
        again = server.ask("POST", "/api/trader/commands", suspend, token)
        assert (again[0], again[1]["repeated"]) == (202, True)
        home = market["selections"][0]["selection"]
        fix = {"action": "fix_price", "selection": home, "price": "7.77", "generation": market["generation"]}
        for action in (fix, {"action": "resume", "markets": "1x2"}):
            body = {"id": new_id(), "fixture": fixture, **action}
            assert server.ask("POST", "/api/trader/commands", body, token)[0] == 202
        poll(lambda: result_market(server, fixture)["status"] == "open")
        status, answer = server.ask("POST", "/api/bets", bet(result_market(server, fixture)), fan)
        assert status == 201, answer
        assert answer["bet"]["legs"][0]["price"] == "7.77"
