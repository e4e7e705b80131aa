"""What the bench is made of: bytes of bettors, the bare batch, the sampler, sockets that are full, CPU of a process."""

import asyncio
import contextlib
import json
import os
import socket
import threading
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import msgspec
import pytest

from matchday.backends.clock_wall import wall_ms
from matchday.backends.ledger_sqlite import SqliteLedgerCore
from matchday.bench import ledger, sampler
from matchday.bench.bare import GUARDS, Bare, all_rows
from matchday.bench.bettors import Answered, Bettor, HttpBettor, SocketBettor, body_maker, masked, split
from matchday.bench.crowd import Crowd
from matchday.bench.push_server import send_to_all
from matchday.bench.server import Door
from matchday.bench.stopwatch import LOAD_CORE, SERVER_CORE, Steal, cpu_s, now_s, pinned
from matchday.config import Settings
from matchday.edge.api import BetBody
from matchday.edge.frames import frame_text, split_frame
from matchday.model.book import Books
from matchday.services.bets.judge import Judge

# --- bettors ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 125, 126, 70, 3_000])
def test_a_bettors_frame_is_one_that_the_door_reads(size: int) -> None:
    data = masked(b"x" * size)
    assert split_frame(data, 0, 4_096) == (b"x" * size, len(data))


@pytest.mark.parametrize("cut", range(0, 420, 7))
def test_frames_are_found_wherever_the_bytes_were_cut(cut: int) -> None:
    whole = frame_text(b"a" * 100) + b"\x89\x00" + frame_text(b"b" * 200) + frame_text(b"c" * 90)
    first, left = split(whole[:cut])
    second, rest = split(left + whole[cut:])
    assert (first + second, rest) == ([b"a" * 100, b"b" * 200, b"c" * 90], b"")


def test_a_bet_is_what_the_door_takes_and_the_legs_take_turns() -> None:
    legs: list[dict[str, object]] = [{"selection": f"F:1x2/{name}", "price": "2.00", "generation": 0} for name in "ab"]
    ids = iter([f"01a215b4-1ff5-7164-aba0-7dfb6626b74{n}" for n in range(3)])
    make = body_maker(legs, lambda: next(ids))
    bodies = [make() for _ in range(3)]
    bets = [msgspec.json.decode(body, type=BetBody) for body in bodies]
    assert [bet.id[-1] for bet in bets] == ["0", "1", "2"]
    assert [bet.id for bet in bets] == [body[7:43].decode() for body in bodies]  # where an answer is matched by
    assert len({msgspec.json.encode(bet.legs) for bet in bets}) == 2


class Wire:
    def __init__(self) -> None:
        self.sent: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.sent.append(data)

    def is_closing(self) -> bool:
        return False


def test_an_answer_over_http_is_whole_before_it_counts() -> None:
    heard: list[tuple[str, float]] = []
    bettor = HttpBettor("token", lambda _, kind, due: heard.append((kind, due)))
    bettor.connection_made(Wire())  # type: ignore[arg-type]
    bettor.place(b"{}", 1.5)
    assert not bettor.free
    answer = b'HTTP/1.1 422 X\r\nContent-Length: 45\r\n\r\n{"status":422,"reason":"stake_above_maximum"}'
    bettor.data_received(answer[:60])
    assert not heard
    bettor.data_received(answer[60:])
    assert heard == [("stake_above_maximum", 1.5)]
    assert bettor.free


ID = "01a215b4-1ff5-7164-aba0-7dfb6626b745"


@pytest.mark.parametrize(
    ("told", "outcome"),
    [
        ({"t": "placed", "id": ID, "status": 201, "answer": {"answer": "accepted", "id": ID, "bet": {}}}, "accepted"),
        ({"t": "placed", "id": ID, "status": 422, "problem": {"reason": "price_moved", "status": 422}}, "price_moved"),
        ({"t": "error", "reason": "message_invalid", "detail": "op"}, "message_invalid"),
        ({"t": "placed", "id": ID, "status": 202, "answer": {"answer": "pending", "id": ID}}, None),
        ({"t": "placed", "id": ID.replace("01a", "01b"), "status": 201, "answer": {"answer": "accepted"}}, None),
        ({"t": "delta", "channel": "account", "change": {"facts": []}}, None),
    ],
)
def test_an_answer_over_the_websocket_is_the_last_word_on_its_id(told: dict[str, object], outcome: str | None) -> None:
    heard: list[tuple[str, float]] = []
    bettor = SocketBettor("token", lambda _, kind, due: heard.append((kind, due)), lambda: None)
    wire = Wire()
    bettor.connection_made(wire)  # type: ignore[arg-type]
    bettor.data_received(b"HTTP/1.1 101 Switching Protocols\r\n\r\n" + frame_text(b'{"t":"hello"}'))
    bettor.place(b'{"id":"%b","stake":"1"}' % ID.encode(), 1.5)
    assert b'{"op":"place","id":"01a' in wire.sent[-1]
    bettor.data_received(frame_text(msgspec.json.encode(told)))
    assert heard == ([] if outcome is None else [(outcome, 1.5)])


# --- the crowd --------------------------------------------------------------------------------------------------------


class Scripted:
    """A bettor whose bets are answered by the test."""

    gone, heard_bytes = False, 0

    def __init__(self, answered: Answered, takes_s: float = 0.02) -> None:
        self._answered, self._takes_s, self.waiting = answered, takes_s, list[float]()

    @property
    def free(self) -> bool:
        return not self.waiting

    def place(self, body: bytes, due: float) -> None:
        self.waiting.append(due)
        asyncio.get_running_loop().call_later(self._takes_s, self._answer)

    def _answer(self) -> None:
        self._answered(self, "accepted", self.waiting.pop())

    def close(self) -> None:
        self.gone = True


def test_bets_that_found_nobody_free_count_from_when_they_were_due() -> None:
    made: list[Scripted] = []

    async def connect(number: int, answered: Answered) -> Bettor:
        made.append(Scripted(answered))
        return made[number]

    crowd = Crowd(lambda: 0.0, connect)
    # Two who take 20 ms each can place 100 bets a second; twice as many are due for a tenth of one.
    found = asyncio.run(crowd.arrive(2, 200, 0.1, lambda: b""))
    crowd.close()
    assert (found.due, found.answered, len(made)) == (20, 20, 2)
    assert max(found.times_ms["accepted"]) > 80  # the last waited for those before it
    assert all(bettor.gone for bettor in made)


def test_a_bettor_whose_connection_was_closed_is_replaced() -> None:
    made: list[Scripted] = []

    async def connect(_: int, answered: Answered) -> Bettor:
        made.append(Scripted(answered))
        return made[-1]

    async def twice() -> None:
        crowd = Crowd(lambda: 0.0, connect)
        first = await crowd.saturate(2, 0.05, lambda: b"")
        made[0].gone = True
        await crowd.saturate(2, 0.05, lambda: b"")
        assert first.answers == {"accepted": first.accepted}
        assert first.accepted >= 4

    asyncio.run(twice())
    assert len(made) == 3


def test_a_server_that_answers_nothing_in_a_short_time_is_slow_and_not_dead() -> None:
    """Found in CI: a disk that stood still for a tenth of a second made its rate 0."""

    async def connect(_: int, answered: Answered) -> Bettor:
        return Scripted(answered, takes_s=0.2)

    found = asyncio.run(Crowd(lambda: 0.0, connect).saturate(2, 0.05, lambda: b""))
    assert found.answers == {"accepted": 2}
    assert 0 < found.rate <= 2 / (0.2 - 0.05)


# --- the bare batch ---------------------------------------------------------------------------------------------------


def test_the_bare_batch_leaves_the_rows_that_the_ledger_wrote_but_for_guards(tmp_path: Path) -> None:
    accounts, bets = ledger.accounts(8), list(islice(ledger.bets(8), 24))
    bare = Bare(tmp_path / "bare.sqlite", accounts, bets, 8)
    assert bare.left == 3
    while bare.left:
        bare.write()
    bare.close()
    with contextlib.closing(SqliteLedgerCore(tmp_path / "ours.sqlite")) as ours:
        ours.commit(accounts)
        for start in range(0, 24, 8):
            answers = ours.commit(bets[start : start + 8])
            assert not [answer.refusal for answer in answers if answer.refusal is not None]
        expected = all_rows(ours.database.writer)
    with contextlib.closing(SqliteLedgerCore(tmp_path / "bare.sqlite")) as again:
        found = all_rows(again.database.writer)
    assert len(found["bets"]) == 24
    differ = {table for table in expected if found[table] != expected[table]}
    assert differ <= {*GUARDS, "accounts"}  # limits of accounts are guards too
    balances = [row[4] for row in expected["accounts"]]
    assert [row[4] for row in found["accounts"]] == balances


def test_the_bets_of_the_ledgers_bench_are_charged_as_a_gate_charges() -> None:
    judge = Judge(Books(), Settings().bets, lambda _book, _parts: "combination_unpriced")
    for bet in islice(ledger.bets(), 60):
        of_gate = judge.charges(bet, bet.legs)
        assert sorted((c.guard, c.amount) for c in bet.charges) == sorted((c.guard, c.amount) for c in of_gate)


# --- sockets and processes --------------------------------------------------------------------------------------------


def test_the_bare_loop_gives_all_to_those_who_cannot_take_it_at_once() -> None:
    pairs = [socket.socketpair() for _ in range(3)]
    data, got = bytes(300_000), [0, 0, 0]
    for mine, _ in pairs:
        mine.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4_096)
        mine.setblocking(False)

    def read(place: int, sock: socket.socket) -> None:
        while got[place] < len(data):
            got[place] += len(sock.recv(65_536))

    threads = [threading.Thread(target=read, args=(place, theirs)) for place, (_, theirs) in enumerate(pairs)]
    for thread in threads:
        thread.start()
    send_to_all([mine for mine, _ in pairs], data)
    for thread in threads:
        thread.join(10)
    assert got == [len(data)] * 3
    for mine, theirs in pairs:
        mine.close()
        theirs.close()


def _busy(seconds: float) -> None:
    until = cpu_s(os.getpid()) + seconds
    while cpu_s(os.getpid()) < until:
        sum(range(100))


def test_the_cpu_of_a_process_is_that_of_all_its_threads() -> None:
    began, cpu = now_s(), cpu_s(os.getpid())
    thread = threading.Thread(target=_busy, args=(0.05,))
    thread.start()
    thread.join()
    assert 0.05 <= cpu_s(os.getpid()) - cpu < 0.5
    assert now_s() > began


def test_pinned_is_on_one_core_and_then_where_it_was() -> None:
    before = os.sched_getaffinity(0)
    with pinned(SERVER_CORE):
        assert os.sched_getaffinity(0) == {SERVER_CORE}
    assert os.sched_getaffinity(0) == before
    assert {SERVER_CORE, LOAD_CORE} <= before
    assert 0 <= Steal().percent() <= 100


def test_the_sampler_sees_who_computes_and_who_called(tmp_path: Path) -> None:
    file = tmp_path / "profile.txt"
    with sampler.sampled(file):
        _busy(0.3)
    found = {name: (own, whole) for name, own, whole in sampler.top(file, 50)}
    own = sum(found.get(name, (0, 0))[0] for name in ("test_bench_parts._busy", "stopwatch.cpu_s"))
    others = found.get("gateway_base.read", (0, 0))[0]  # of pytest-xdist, in a thread that waits
    assert own > 0.8 * (1 - others), found
    lines: Sequence[str] = file.read_text().splitlines()
    assert any("test_bench_parts.test_the_sampler_sees_who_computes_and_who_called;" in line for line in lines)


class _Door(Door):
    """A platform with two matches, announced long ago."""

    def __init__(self, *in_minutes: int) -> None:
        super().__init__(0)
        self._kickoffs = {f"F{n}": wall_ms() + 60_000 * minutes for n, minutes in enumerate(in_minutes)}

    def _asked(self, method: str, path: str, body: object, token: str) -> tuple[int, bytes]:
        if path == "/api/fixtures":
            board = {"status": "scheduled", "clock_at_ms": wall_ms() - 10**8}
            rows = [{"board": {**board, "fixture": each, "kickoff_ms": ms}} for each, ms in self._kickoffs.items()]
            return 200, json.dumps({"fixtures": rows}).encode()
        fixture = path.rpartition("/")[2]
        selections = [{"selection": f"{fixture}:1x2/home", "price": 2_000}]
        return 200, json.dumps({"markets": [{"status": "open", "generation": 1, "selections": selections}]}).encode()


def test_what_is_backed_does_not_kick_off_while_it_is_measured() -> None:
    """By the time that it is now: a match may have been announced an hour ago."""
    found = _Door(3, 14, 20).legs()
    assert found == [[{"selection": "F2:1x2/home", "price": 2_000, "generation": 1}]]
