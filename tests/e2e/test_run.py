"""Stories through ``matchday run``: rooms as processes of their own."""

import contextlib
import http.client
import re
import signal
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from matchday.app import ROOMS
from matchday.commands import ROOMS as EXPLAINED
from tests.real import Server, command, new_id, poll


def ask(ops_port: int, path: str) -> tuple[int, str]:
    """What a process says at its ops port."""
    connection = http.client.HTTPConnection("127.0.0.1", ops_port, timeout=5)
    with contextlib.closing(connection):
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


def figure(ops_port: int, name: str) -> float:
    """One of its figures."""
    found = re.search(rf"^{re.escape(name)} (\S+)$", ask(ops_port, "/metrics")[1], re.MULTILINE)
    assert found is not None, name
    return float(found[1])


class Running:
    """A process of some rooms."""

    def __init__(self, process: "subprocess.Popen[str]", said: str) -> None:
        self.process = process
        door, ops = re.search(r"at (http://\S+:(\d+)),", said), re.search(r"ops at http://\S+:(\d+)", said)
        assert ops is not None, said
        self.ops_port = int(ops[1])
        self.door = Server(process, int(door[2])) if door else None

    def ask(self, path: str) -> tuple[int, str]:
        return ask(self.ops_port, path)

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        self.process.communicate(timeout=30)
        return self.process.returncode


@contextlib.contextmanager
def running(*rooms: str, words: Sequence[str] = (), ops_port: int = 0) -> Iterator[Running]:
    process = command("run", *rooms, "--ops-port", str(ops_port), *words)
    assert process.stderr is not None
    try:
        lines = iter(process.stderr.readline, "")
        said = next((line for line in lines if "Matchday runs" in line), "")
        assert said, process.communicate(timeout=5)
        yield Running(process, said)
    finally:
        if process.poll() is None:
            process.terminate()
            process.communicate(timeout=30)
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()


def test_all_rooms_in_one_process_are_the_platform(tmp_path: Path) -> None:
    words = ("--port", "0", "--data", str(tmp_path), "--speed", "20")
    with running(*ROOMS, words=words) as run:
        door = run.door
        assert door is not None
        poll(lambda: door.ask("GET", "/healthz")[1]["status"] == "ok")
        assert poll(lambda: run.ask("/readyz")[0] == 200)
        token = door.guest()
        bet = poll(lambda: place(door, token))
        assert bet["answer"] == "accepted"
        assert figure(run.ops_port, "matchday_bets_total") == 1
        assert figure(run.ops_port, 'matchday_shares{room="settlement"}') == 1
        assert door.ask("GET", "/metrics")[0] == 404  # not for the public
        assert run.stop() == 0


def place(door: Server, token: str) -> Any:
    """A bet on whatever can be bet on; its answer when it was accepted."""
    rows = door.ask("GET", "/api/fixtures")[1].get("fixtures", ())  # none where it is turned away
    for row in rows:
        market = row["market"]
        if row["board"]["status"] == "scheduled" and market and market["status"] == "open":
            chosen = market["selections"][0]
            leg = {"selection": chosen["selection"], "price": chosen["price"], "generation": market["generation"]}
            body = {"id": new_id(), "stake": "1.00", "currency": "EUR", "policy": "any", "legs": [leg]}
            status, answer = door.ask("POST", "/api/bets", body, token)
            if status == 201:
                return answer
    return None


def refused(*words: str) -> str:
    process = command("run", *words)
    _, said = process.communicate(timeout=20)
    assert process.returncode in (1, 2)
    return said


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("gate",), 'setting log.kind is "sqlite"'),
        (("nonsense",), "'nonsense' is no room; they are gate, feed, odds, settlement, relay"),
        ((*ROOMS, "--ops-port", "70000"), "--ops-port 70000 is outside 0 to 65535"),
        ((*ROOMS, "--host", "no.such.host.invalid", "--port", "0"), "setting doors.host: no.such.host.invalid"),
    ],
)
def test_what_cannot_be_run_is_named_with_its_remedy(words: tuple[str, ...], says: str, tmp_path: Path) -> None:
    assert says in refused(*words, "--data", str(tmp_path))


def test_every_room_is_explained() -> None:
    assert tuple(EXPLAINED) == ROOMS
