"""Stories through the real command: bets, what bad input is told, restarts, and what is said when it cannot start."""

import asyncio
import json
import signal
import socket
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.real import DATA, Server, command, free_port, new_id, poll, serving


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with serving(tmp_path_factory.mktemp("platform"), "--speed", "20") as running:
        poll(lambda: running.ask("GET", "/healthz")[1]["status"] == "ok")
        yield running


def open_market(server: Server) -> dict[str, Any]:
    def find() -> Any:
        rows = server.ask("GET", "/api/fixtures")[1]["fixtures"]
        scheduled = [
            r["market"] for r in rows if r["market"]["status"] == "open" and r["board"]["status"] == "scheduled"
        ]
        return scheduled and scheduled[-1]

    found: dict[str, Any] = poll(find)
    return found


def slip(server: Server, **changes: Any) -> dict[str, Any]:
    market = open_market(server)
    selection = market["selections"][0]
    leg = {"selection": selection["selection"], "price": selection["price"], "generation": market["generation"]}
    body = {"id": new_id(), "stake": "10.00", "currency": "EUR", "policy": "any", "legs": [leg]}
    leg.update(changes.pop("leg", {}))
    return {**body, **changes}


def test_a_bet_is_answered_once_and_its_id_remembered(server: Server) -> None:
    token = server.guest()
    body = slip(server)
    status, answer = server.ask("POST", "/api/bets", body, token)
    assert (status, answer["answer"], answer["balance"]) == (201, "accepted", "990.00")
    status, again = server.ask("POST", "/api/bets", body, token)
    assert (status, again["repeated"], again["bet"]["bet"]) == (201, True, answer["bet"]["bet"])
    assert server.ask("GET", f"/api/bets/by-id/{body['id']}", token=token)[1]["bet"]["bet"] == answer["bet"]["bet"]
    status, refused = server.ask("POST", "/api/bets", {**body, "stake": "11.00"}, token)
    assert (status, refused["reason"]) == (409, "id_reused")
    assert server.ask("GET", "/api/account", token=token)[1]["balance"] == "990.00"
    entries = server.ask("GET", "/api/account/statement", token=token)[1]["entries"]
    assert [(entry["reason"], entry["amount"]) for entry in entries] == [("stake", "-10.00"), ("grant", "1000.00")]


@pytest.mark.parametrize(
    ("changes", "status", "reason", "field"),
    [
        ({"colour": "red"}, 422, "field_invalid", "colour"),
        ({"stake": 10}, 422, "field_invalid", "stake"),
        ({"stake": "-10.00"}, 422, "amount_invalid", "stake"),
        ({"stake": "0"}, 422, "amount_invalid", "stake"),
        ({"stake": "10.001"}, 422, "amount_invalid", "stake"),
        ({"stake": "9" * 40}, 422, "field_invalid", "stake"),
        ({"stake": "999999.00"}, 409, "stake_above_maximum", ""),
        ({"stake": "0.05"}, 409, "stake_below_minimum", ""),
        ({"currency": "XXX"}, 422, "currency_invalid", "currency"),
        ({"currency": "GBP"}, 409, "currency_mismatch", ""),
        ({"policy": "maybe"}, 422, "field_invalid", "policy"),
        ({"id": "1"}, 422, "id_invalid", "id"),
        ({"id": "00000000-0000-7000-8000-000000000000"}, 409, "id_expired", ""),
        ({"legs": []}, 422, "legs_invalid", "legs"),
        ({"leg": {"price": "1.0"}}, 422, "price_invalid", "legs[0].price"),
        ({"leg": {"price": "0.5"}}, 422, "price_invalid", "legs[0].price"),
        ({"leg": {"price": "1001"}}, 422, "price_invalid", "legs[0].price"),
        ({"leg": {"generation": 77}}, 409, "generation_stale", ""),
        ({"leg": {"price": "900.00"}, "policy": "none"}, 409, "price_moved", ""),
        ({"leg": {"selection": "nonsense"}}, 422, "selection_invalid", "legs[0].selection"),
        ({"leg": {"selection": "F:total_goals@2.50/over"}}, 422, "selection_invalid", "legs[0].selection"),
        ({"id": "01a20b68-2ddd-707c-8060-78eed3b3_7b5"}, 422, "id_invalid", "id"),
        ({"leg": {"selection": "F:1x2/home"}}, 409, "selection_unknown", ""),
    ],
)
def test_bad_bets_get_a_named_refusal(
    server: Server, changes: dict[str, Any], status: int, reason: str, field: str
) -> None:
    token = server.guest()
    answered, problem = server.ask("POST", "/api/bets", slip(server, **changes), token)
    assert (answered, problem["reason"], problem.get("field", "")) == (status, reason, field), problem
    assert problem["type"] == f"/problems/{reason}"
    assert server.ask("GET", "/api/account", token=token)[1]["balance"] == "1000.00"


@pytest.mark.parametrize(
    ("method", "path", "body", "headers", "status", "reason"),
    [
        ("POST", "/api/bets", b"{", {}, 400, "not_json"),
        ("POST", "/api/bets", b"\xff\xfe", {}, 400, "not_json"),
        ("POST", "/api/bets", b"[" * 10_000, {}, 422, "field_invalid"),
        # No more than a socket takes at once: it is refused unread, and who still sends then hears a reset first.
        ("POST", "/api/bets", b"x" * 100_000, {}, 413, "body_too_large"),
        ("POST", "/api/bets", b"{}", {"Content-Type": "text/plain"}, 415, "content_type_unsupported"),
        ("GET", "/api/bets?limit=1000", None, {}, 422, "parameter_invalid"),
        ("GET", "/api/bets?limit=0000000001999999999999999999", None, {}, 422, "parameter_invalid"),
        ("POST", "/api/guest", b'{"colour": "red"}', {}, 422, "field_invalid"),
        ("GET", "/api/bets?state=odd", None, {}, 422, "parameter_invalid"),
        ("GET", "/api/account/statement?before=x", None, {}, 422, "parameter_invalid"),
        ("GET", "/api/bets/by-id/unknown", None, {}, 404, "id_unknown"),
        ("GET", "/api/fixtures/unknown", None, {}, 404, "fixture_unknown"),
        ("GET", "/nowhere", None, {}, 404, "not_found"),
        ("DELETE", "/api/bets", None, {}, 405, "method_not_allowed"),
        ("GET", "/api/account", None, {"Authorization": "Bearer forged.token.x"}, 401, "not_signed_in"),
    ],
)
def test_bad_requests_get_a_problem(
    server: Server, method: str, path: str, body: bytes | None, headers: dict[str, str], status: int, reason: str
) -> None:
    answered, problem = server.ask(method, path, body, "" if "Authorization" in headers else server.guest(), headers)
    assert (answered, problem["reason"]) == (status, reason)
    assert server.ask("GET", "/healthz")[0] == 200


def test_the_document_names_every_operation_and_what_it_answers(server: Server) -> None:
    document = server.ask("GET", "/openapi.json")[1]
    assert document["openapi"].startswith("3.1")
    names = {op["operationId"] for path in document["paths"].values() for op in path.values()}
    assert {"guest", "place", "bet_by_id", "fixtures", "fixture", "account", "statement"} <= names
    for reference in json.dumps(document).split('"#/components/schemas/')[1:]:
        assert reference.partition('"')[0] in document["components"]["schemas"]


def talk(server: Server, *said: str | bytes, hear: int) -> list[dict[str, Any]]:
    async def run() -> list[dict[str, Any]]:
        async with connect(f"ws://127.0.0.1:{server.port}/ws", max_size=None) as socket_:
            for text in said:
                await socket_.send(text)
            async with asyncio.timeout(10):
                return [json.loads(await socket_.recv()) for _ in range(hear)]

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("hello", "message_invalid"),
        ('{"op":"dance"}', "message_invalid"),
        ('{"op":"subscribe","channel":"home","colour":1}', "message_invalid"),
        ('{"op":"subscribe","channel":7}', "message_invalid"),
        ('{"op":"subscribe","channel":"fixture:none"}', "channel_unknown"),
        ('{"op":"subscribe","channel":"account"}', "not_signed_in"),
        ('{"op":"auth","token":"forged"}', "token_invalid"),
    ],
)
def test_bad_messages_get_an_error_and_the_connection_lives(server: Server, said: str, reason: str) -> None:
    frames = talk(server, said, '{"op":"ping"}', hear=3)
    assert [frame["t"] for frame in frames] == ["hello", "error", "pong"]
    assert frames[1]["reason"] == reason


@pytest.mark.parametrize(("said", "code"), [("x" * 5_000, 1009), (b"\x00", 1003), ("flood", 4029)])
def test_what_goes_too_far_is_closed_with_a_code(server: Server, said: str | bytes, code: int) -> None:
    async def run() -> int | None:
        async with connect(f"ws://127.0.0.1:{server.port}/ws") as socket_:
            for _ in range(100 if said == "flood" else 1):
                await socket_.send('{"op":"ping"}' if said == "flood" else said)
            try:
                async with asyncio.timeout(10):
                    while True:
                        await socket_.recv()
            except ConnectionClosed as closed:
                return closed.rcvd.code if closed.rcvd else None

    assert asyncio.run(run()) == code
    assert server.ask("GET", "/healthz")[0] == 200


def test_a_fan_s_screen_hears_of_his_bet_and_resumes_where_it_was(server: Server) -> None:
    token = server.guest()
    auth = json.dumps({"op": "auth", "token": token})

    async def run() -> None:
        async with connect(f"ws://127.0.0.1:{server.port}/ws") as socket_, asyncio.timeout(20):
            for text in (auth, '{"op":"subscribe","channel":"account"}', '{"op":"subscribe","channel":"home"}'):
                await socket_.send(text)
            body = await asyncio.to_thread(slip, server)
            await asyncio.to_thread(server.ask, "POST", "/api/bets", body, token)
            home = None
            while True:
                frame = json.loads(await socket_.recv())
                if frame.get("channel") == "home":
                    assert home is None or frame["t"] == "snapshot" or frame["from"] == home["to"]
                    home = {**(home or {}), **frame}
                if frame.get("channel") == "account" and frame["t"] == "delta":
                    assert frame["data"]["facts"][0]["bet"]["id"] == body["id"]
                    break
        assert home is not None
        async with connect(f"ws://127.0.0.1:{server.port}/ws") as socket_, asyncio.timeout(20):
            resume = {"epoch": home["epoch"], "offset": home["to"]}
            await socket_.send(json.dumps({"op": "subscribe", "channel": "home", "resume": resume}))
            frames = [json.loads(await socket_.recv()) for _ in range(3)]
            assert [frame["t"] for frame in frames] == ["hello", "resumed", "delta"]
            assert frames[2]["from"] == home["to"]

    asyncio.run(run())


def test_a_client_that_never_reads_disturbs_nobody(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port)) as mute:
        mute.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        mute.sendall(
            b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        text = b'{"op":"subscribe","channel":"home"}'
        mute.sendall(bytes((0x81, 0x80 | len(text), 0, 0, 0, 0)) + text)
        frames = talk(server, '{"op":"subscribe","channel":"home"}', hear=6)
        assert [frame["t"] for frame in frames][:2] == ["hello", "snapshot"]
        assert server.ask("GET", "/healthz")[0] == 200


def test_a_killed_platform_takes_up_matches_bets_and_tokens(tmp_path: Path) -> None:
    with serving(tmp_path / "data", "--speed", "60") as first:
        poll(lambda: first.ask("GET", "/healthz")[1]["status"] == "ok")
        token = first.guest()
        body = slip(first)
        status, answer = first.ask("POST", "/api/bets", body, token)
        assert status == 201
        first.process.send_signal(signal.SIGKILL)
        first.process.wait()
    with serving(tmp_path / "data", "--speed", "60") as second:
        poll(lambda: second.ask("GET", "/healthz")[1]["status"] == "ok")
        again = second.ask("POST", "/api/bets", body, token)[1]
        assert (again["repeated"], again["bet"]["bet"]) == (True, answer["bet"]["bet"])
        fixture = answer["bet"]["legs"][0]["fixture"]
        assert second.ask("GET", f"/api/fixtures/{fixture}")[0] == 200

        def settled() -> Any:
            return second.ask("GET", "/api/bets", token=token)[1]["bets"][0]["status"] != "open"

        # The match is still to be played: at this speed in two to seven minutes. Withdrawing its feed settles it now.
        assert not settled()
    with serving(tmp_path / "data", "--seed", "2") as third:
        poll(lambda: third.ask("GET", "/api/bets", token=token)[1]["bets"][0]["status"] == "void", 15)
        assert third.ask("GET", "/api/account", token=token)[1]["balance"] == "1000.00"


def refused(*words: str) -> str:
    process = command("up", *words)
    error = process.communicate(timeout=15)[1]
    assert process.returncode == 1
    assert "Traceback" not in error
    return error


def test_what_prevents_a_start_is_said_with_its_remedy(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        assert "is in use; stop what runs there or choose another" in refused("--port", port, "--data", str(tmp_path))
    blocked = tmp_path / "file"
    blocked.touch()
    assert "choose another with --data" in refused("--port", str(free_port()), "--data", str(blocked / "data"))
    newer = tmp_path / "newer"
    newer.mkdir()
    with sqlite3.connect(newer / "log.sqlite") as database:
        database.execute("PRAGMA user_version=99")
    database.close()
    assert "written by a newer Matchday" in refused("--port", str(free_port()), "--data", str(newer))
    settings = tmp_path / "matchday.toml"
    settings.write_text("[bets]\nstake_min = 'ten'\n")
    assert "stake_min" in refused("--port", str(free_port()), "--data", str(tmp_path), "--config", str(settings))
    with serving(tmp_path / "data"):
        assert "in use by another Matchday" in refused("--port", str(free_port()), "--data", str(tmp_path / "data"))


@pytest.mark.skipif(not DATA.exists(), reason="needs the recorded matches of shared/data/football-wyscout")
def test_ten_simultaneous_recorded_matches_run_live(tmp_path: Path) -> None:
    with serving(tmp_path / "data", "--feed", str(DATA / "epl2017-18"), "--speed", "60") as running:

        def announced() -> Any:
            found = running.ask("GET", "/api/fixtures")[1]["fixtures"]
            return found if len(found) == 10 else None

        rows = poll(announced)
        assert len({row["board"]["kickoff_ms"] for row in rows}) == 1

        def all_live() -> bool:
            boards = [row["board"] for row in running.ask("GET", "/api/fixtures")[1]["fixtures"]]
            return all(board["status"] == "live" for board in boards)

        assert poll(all_live, 40)
