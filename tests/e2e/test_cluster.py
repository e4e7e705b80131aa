"""A cluster on one machine: rooms as processes behind HAProxy, over a real Kafka and a real PostgreSQL."""

import asyncio
import contextlib
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest

from matchday import __version__
from matchday.client import Client
from matchday.config import load
from matchday.model.messages import BookChanged, OddsAlive, OddsOwned, Topic, decode
from matchday.ops.capacity import FORMAT, Capacity, Carried, Machine, Room, write
from matchday.ops.cluster_rooms import tail
from matchday.ops.cluster_state import STATE
from matchday.ops.engines import EngineError, program
from matchday.ops.engines.postgres import binary
from matchday.ports import partition_of
from tests.conftest import WHOLE, missing
from tests.e2e.releases import SAID, broken_release, next_release
from tests.e2e.rolling import Fans
from tests.e2e.test_client import QUICK as PAUSES
from tests.e2e.test_client import until
from tests.e2e.test_run import ask, figure, place, refused
from tests.real import PATIENT, Server, command, free_port, poll

pytestmark = pytest.mark.slow
UP_S_MAX = 240.0
EVERY_ROOM = ("feed", "gate", "odds", "relay", "settlement")
ROOMS = ("gate=2", "odds=1", "settlement=2", "relay=1", "feed=1")
SHARES = 4
SPEED = "150"
"""A match takes three quarters of a minute."""
CLIENTS = 12
PROGRAMS = (
    ("haproxy", "haproxy"), ("java", "openjdk-17-jre-headless"), ("mvn", "maven"), ("redis-server", "redis-server")
)  # fmt: skip
SETTINGS = {**PATIENT, "MATCHDAY_PUSH_DRAIN_MS": "1000", "MATCHDAY_KAFKA_SILENCE_MS_MAX": "3000"}


class Local:
    """A cluster, spoken to as anybody does: by the command."""

    def __init__(self, folder: Path, door: int) -> None:
        self.folder, self.port = folder, door
        self.door = Server(None, door)  # type: ignore[arg-type]

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "matchday", "cluster", *words, "--state", str(self.folder)]
        environment = {**os.environ, **SETTINGS}
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=UP_S_MAX, env=environment)

    def up(self, *rooms: str) -> None:
        done = self.command(
            "up", "--with-engines", "--port", str(self.port), "--speed", SPEED, "--rooms", *ROOMS, *rooms
        )
        assert done.returncode == 0, done.stderr + self.command("logs").stdout

    def members(self, room: str = "") -> list[dict[str, Any]]:
        found = json.loads(self.command("status", "--json").stdout)["members"]
        return [one for one in found if room in ("", one["room"])]

    def kill(self, room: str) -> list[int]:
        """All of a room, with SIGKILL."""
        pids = [one["pid"] for one in self.members(room)]
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        return pids

    def books(self) -> list[BookChanged | OddsAlive | OddsOwned]:
        """All that stands on ``books``."""
        from matchday.backends.log_kafka_reads import Reads
        from tests.real import _IDS

        def fatal(error: BaseException) -> None:
            raise error

        reads = Reads(load(self.folder / "cluster.toml", {}).kafka, _IDS, fatal)
        with contextlib.closing(reads):
            messages = [decode(stored.value) for stored in reads.read((Topic.BOOKS, 0), -1, 10**6)]
        return [message for message in messages if isinstance(message, BookChanged | OddsAlive | OddsOwned)]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Local]:
    try:
        import confluent_kafka  # noqa: F401 - is it there?

        for name, package in PROGRAMS:
            program(name, package)
        binary("pg_ctl")
    except (EngineError, ImportError) as error:
        missing("A CLUSTER", error)
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None, prefix="matchday-") as folder:
        local = Local(Path(folder), free_port())
        try:
            local.up()
            yield local
        finally:
            done = local.command("down")
            assert done.returncode == 0 or not (Path(folder) / STATE).exists(), done.stderr
            assert "was killed" not in done.stderr, done.stderr + written(Path(folder))


def written(folder: Path) -> str:
    """What the processes wrote last: ``cluster logs`` knows none of them any more."""
    return "\n".join(f"--- {log.name}\n{tail(log, 20)}" for log in sorted(folder.rglob("*.log")))


def epochs(said: list[BookChanged | OddsAlive | OddsOwned]) -> dict[int, int]:
    """Share -> the epoch of its last owner that was heard."""
    return {message.share: message.epoch for message in said if isinstance(message, OddsAlive)}


def test_a_fan_s_bet_works_on_any_gate(cluster: Local) -> None:
    token = cluster.door.guest()
    bet = poll(lambda: place(cluster.door, token), 30)
    gates = cluster.members("gate")
    assert len(gates) == 2
    for gate in gates:
        server = Server(None, gate["port"])  # type: ignore[arg-type]
        status, answer = server.ask("GET", f"/api/bets/by-id/{bet['bet']['id']}", token=token)
        assert (status, answer["bet"]["bet"]) == (200, bet["bet"]["bet"])
        assert poll(lambda server=server: place(server, token), 30)["answer"] == "accepted"  # type: ignore[misc]
    assert cluster.door.ask("GET", "/api/account", token=token)[1]["balance"] == "997.00"


def test_books_go_on_under_higher_epochs_when_their_owner_was_killed(cluster: Local) -> None:
    token = cluster.door.guest()
    assert poll(lambda: place(cluster.door, token), 30)
    before = poll(lambda: (found := epochs(cluster.books())) and len(found) == SHARES and found, 30)
    cluster.kill("odds")
    poll(lambda: cluster.door.ask("GET", "/healthz")[1]["status"] == "stale", 30)
    assert place(cluster.door, token) is None  # late is safe
    cluster.up()
    poll(lambda: cluster.door.ask("GET", "/healthz")[1]["status"] == "ok", 30)
    assert poll(lambda: place(cluster.door, token), 30)["answer"] == "accepted"
    said = cluster.books()
    after = epochs(said)
    assert {share: after[share] > before[share] for share in before} == dict.fromkeys(range(SHARES), True)
    books = [message for message in said if isinstance(message, BookChanged)]
    assert all(message.share == partition_of(message.fixture, SHARES) for message in books)


def test_shares_of_a_process_that_was_killed_are_taken_over(cluster: Local) -> None:
    first, second = cluster.members("settlement")

    def shares(member: dict[str, Any]) -> float:
        return figure(member["ops_port"], 'matchday_shares{room="settlement"}')

    poll(lambda: shares(first) + shares(second) == SHARES and min(shares(first), shares(second)) > 0, 30)
    os.kill(first["pid"], signal.SIGKILL)
    poll(lambda: shares(second) == SHARES, 30)
    assert cluster.command("status").returncode == 1
    cluster.up()
    assert poll(lambda: all(ask(one["ops_port"], "/readyz")[0] == 200 for one in cluster.members("settlement")), 30)
    poll(lambda: shares(second) < SHARES, 30)
    assert cluster.command("status").returncode == 0


def test_a_gate_is_drained_without_dropping_a_connection(cluster: Local) -> None:
    token = cluster.door.guest()
    asked: list[tuple[int, Any]] = []

    async def story() -> None:
        address = f"ws://127.0.0.1:{cluster.port}/ws"
        clients = [Client(address, random.Random(n), heard.append, pauses=PAUSES) for n in range(CLIENTS)]
        for client in clients:
            client.follow("home")
        running = [asyncio.create_task(client.run()) for client in clients]

        async def ask_on() -> None:
            while True:
                asked.append(await asyncio.to_thread(cluster.door.ask, "GET", "/api/account", None, token))
                await asyncio.sleep(0.05)

        await until(lambda: all(client.held["home"].whole for client in clients))
        asking = asyncio.create_task(ask_on())
        done = await asyncio.to_thread(cluster.command, "scale", "gate=1")
        assert done.returncode == 0, done.stderr
        assert "was killed" not in done.stderr
        at = max(client.held["home"].offset for client in clients)
        await until(lambda: all(client.held["home"].whole and client.held["home"].offset > at for client in clients))
        for task in [*running, asking]:
            task.cancel()
        await asyncio.gather(*running, asking, return_exceptions=True)

    heard: list[dict[str, Any]] = []
    asyncio.run(story())
    assert len(cluster.members("gate")) == 1
    hellos = [frame for frame in heard if frame["t"] == "hello"]
    assert CLIENTS < len(hellos) < 2 * CLIENTS  # those of one gate came to the other
    assert len(asked) > 20
    assert {status for status, _ in asked} == {200}
    assert "gate-1" not in (cluster.folder / "haproxy.cfg").read_text()
    cluster.up()
    assert [one["ready"] for one in cluster.members("gate")] == [True, True]
    assert poll(lambda: [one["ready"] for one in cluster.members("balancer")] == [True], 30)


@WHOLE
def test_nobody_misses_a_message_untold_while_owners_and_gates_come_and_go(cluster: Local) -> None:
    """``TEST_WHOLE=1 TEST_WATCHERS=1000`` for a whole crowd."""
    words = ("--watchers", os.environ.get("TEST_WATCHERS", "40"), "--json")
    done = cluster.command("audit", *words)
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(done.stdout)
    assert (report["faults"], len(report["steps"])) == ([], 7)
    assert report["connections"] > 1.75 * report["watchers"]  # half came back, and two of four gates sent theirs away
    assert report["owners"] >= SHARES  # each share had another owner at least once
    assert min(report["changes"], report["compared"]) > 100
    assert report["bets"]["accepted"] > 10
    assert cluster.command("status").returncode == 0


def test_two_platforms_on_one_log_or_one_ledger_are_noticed(cluster: Local, tmp_path: Path) -> None:
    """Though they have one name: by the id of the ledger, which the log knows, and that of the log."""
    ours = (cluster.folder / "cluster.toml").read_text()
    address = load(cluster.folder / "cluster.toml", {}).postgres.address
    with psycopg.connect(address, autocommit=True) as owner:
        owner.execute("CREATE DATABASE other")
    (tmp_path / "ledger.toml").write_text(ours.replace("dbname=matchday", "dbname=other"))
    said = refused("relay", "--ops-port", "0", "--config", str(tmp_path / "ledger.toml"))
    assert re.search(r"belongs to ledger of matchday, \S+, not ledger of matchday, \S+; two platforms", said), said
    (tmp_path / "log.toml").write_text(ours.replace("[kafka]", '[kafka]\nplatform = "other"'))
    made = command("cluster", "init", "--config", str(tmp_path / "log.toml"))
    assert made.communicate(timeout=30)[1] == ""
    said = refused("relay", "--ops-port", "0", "--config", str(tmp_path / "log.toml"))
    assert "goes with another log" in said
    assert "matchday cluster adopt" in said
    other, own = tmp_path / "log.toml", cluster.folder / "cluster.toml"
    for taken, left in ((other, own), (own, other)):  # it is told to go with the other, and then to come back
        adopted = command("cluster", "adopt", "--config", str(taken))
        said, error = adopted.communicate(timeout=30)
        assert (adopted.returncode, error) == (0, "")
        assert re.fullmatch(r"the ledger goes with log \S+ from now on\n", said), said
        assert "goes with another log" in refused("relay", "--ops-port", "0", "--config", str(left))


@WHOLE
def test_a_log_that_hangs_is_said_and_fans_keep_what_is_theirs(cluster: Local) -> None:
    """Bets are refused, as nobody is heard of the prices; gates stay, and all go on when it answers again."""
    token = cluster.door.guest()
    assert poll(lambda: place(cluster.door, token), 30)
    (broker,) = [one["pid"] for one in cluster.members("engine") if one["name"].startswith("kafka")]
    os.kill(broker, signal.SIGSTOP)
    try:
        poll(lambda: cluster.door.ask("GET", "/healthz")[1]["status"] == "stale", 30)
        assert place(cluster.door, token) is None
        assert cluster.door.ask("GET", "/api/account", token=token)[1]["balance"] == "999.00"
        settling = cluster.members("settlement")[0]["ops_port"]
        poll(lambda: "the log has not said for" in ask(settling, "/readyz")[1], 30)
        assert {ask(gate["ops_port"], "/readyz")[0] for gate in cluster.members("gate")} == {200}
    finally:
        os.kill(broker, signal.SIGCONT)
    poll(lambda: cluster.command("status").returncode == 0, 60)
    assert poll(lambda: place(cluster.door, token), 60)["answer"] == "accepted"


AUTOSCALER = """\
mode = "act"
every_s = 0.5
capacity = "capacity.json"
[act]
where = "cluster"
[loads]
cluster = "."
[forecast]
kind = "none"
[rooms.gate]
floor = 2
ceiling = 3
loads = ["connections"]
stable_s = 2
down_every_s = 0
"""


@contextlib.contextmanager
def autoscaled(folder: Path) -> Iterator["subprocess.Popen[str]"]:
    """The autoscaler acts, by a gate's capacity of eight connections."""
    (folder / "scaler.toml").write_text(AUTOSCALER)
    carried = Carried(per_process=8)
    gate = Room(carries={"connections": carried})
    write(Capacity(format=FORMAT, version=__version__, measured_at="now", machine=Machine(), rooms={"gate": gate}),
          folder / "capacity.json")  # fmt: skip
    words = [sys.executable, "-m", "matchday", "autoscale", "--config", str(folder / "scaler.toml"), "--json"]
    pipe, environment = subprocess.PIPE, {**os.environ, **SETTINGS}
    with subprocess.Popen(words, stdout=pipe, stderr=pipe, text=True, env=environment) as process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            _, errors = process.communicate(timeout=60)
            assert process.returncode == 0, errors


@WHOLE
def test_the_autoscaler_starts_a_gate_for_a_crowd_and_drains_it_when_the_crowd_has_gone(cluster: Local) -> None:
    """Nobody who watches is dropped by it: who was on the gate that goes comes to the others, and misses nothing."""
    heard: list[dict[str, Any]] = []

    async def crowd(count: int) -> list[tuple[Client, "asyncio.Task[None]"]]:
        clients = [Client(f"ws://127.0.0.1:{cluster.port}/ws", random.Random(n), heard.append, pauses=PAUSES)
                   for n in range(count)]  # fmt: skip
        for client in clients:
            client.follow("home")
        running = [(client, asyncio.create_task(client.run())) for client in clients]
        await until(lambda: all(client.held["home"].whole for client in clients))
        return running

    async def story() -> None:
        gates = 0

        async def are(count: int) -> None:
            nonlocal gates
            while gates != count:
                gates = len(await asyncio.to_thread(cluster.members, "gate"))

        stay, go = await crowd(2), await crowd(14)
        await are(3)
        for _, task in go:
            task.cancel()
        await are(2)
        clients = [client for client, _ in stay]
        at = max(client.held["home"].offset for client in clients)
        await until(lambda: all(client.held["home"].whole and client.held["home"].offset > at for client in clients))
        for _, task in stay:
            task.cancel()
        await asyncio.gather(*(task for _, task in [*stay, *go]), return_exceptions=True)

    with autoscaled(cluster.folder):
        asyncio.run(asyncio.wait_for(story(), 240))
    lines = [json.loads(line) for line in (cluster.folder / "decisions.ndjson").read_text().splitlines()]
    acted = [(line["asked"], line["wanted"], line["why"]) for line in lines if line.get("acted") == "done"]
    assert acted[:2] == [(2, 3, "seen"), (3, 2, "spare")]


def test_every_bet_is_settled_though_one_of_every_room_was_killed(cluster: Local) -> None:
    token = cluster.door.guest()
    placed = [poll(lambda: place(cluster.door, token), 30) for _ in range(5)]
    cluster.up("relay=2", "feed=2", "odds=2", "settlement=2")
    for room in ("settlement", "relay", "feed", "odds"):
        os.kill(cluster.members(room)[0]["pid"], signal.SIGKILL)
    placed += [poll(lambda: place(cluster.door, token), 60) for _ in range(5)]
    cluster.up()

    def own(path: str) -> Any:
        """What a fan is told of his own; what is turned away, as too much is asked, is asked again."""
        return poll(lambda: (found := cluster.door.ask("GET", path, token=token))[0] == 200 and found[1], 60)

    poll(lambda: not own("/api/bets?state=open")["bets"], 180)
    bets = own("/api/bets")["bets"]
    assert {bet["bet"] for bet in bets} == {answer["bet"]["bet"] for answer in placed}
    entries = own("/api/account/statement")["entries"]
    came_back = Counter(entry["bet"] for entry in entries if entry["reason"] not in ("stake", "grant"))
    assert all(count == 1 for count in came_back.values())
    assert {bet["bet"] for bet in bets if Decimal(bet["returns"])} == came_back.keys()
    balance = own("/api/account")["balance"]
    assert Decimal(balance) == sum(Decimal(entry["amount"]) for entry in entries)
    assert Decimal(balance) == 990 + sum(Decimal(bet["returns"]) for bet in bets)


@WHOLE
def test_a_release_with_another_schema_is_rolled_out_and_back_under_load(
    cluster: Local, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Old and new processes read each other's messages and run on the new schema; fans notice nothing."""
    cluster.up()
    token = cluster.door.guest()
    poll(lambda: place(cluster.door, token), 30)
    release = next_release(tmp_path_factory.mktemp("next"))
    before, fans = cluster.members(), Fans(cluster.door, 4)
    with fans.betting():
        canary = ("--canary", "0.5", "--watch", "3", "--requests-min", "10", "--slower-max", "50")
        done = cluster.command("roll", "--release", str(release), *canary, "--json")
        assert done.returncode == 0, done.stderr + cluster.command("logs").stdout
        report = json.loads(done.stdout)
        assert report["releases"] == dict.fromkeys(EVERY_ROOM, str(release))
        assert report["canary"]["fault"] == ""
        poll(lambda: raw_alive(cluster)[-1].get(SAID) == "2", 10)
        assert {one["release"] for one in cluster.members() if one["room"] in EVERY_ROOM} == {str(release)}
        done = cluster.command("roll", "--back", "--at-once", "2")
        assert done.returncode == 0, done.stderr
    after = [one for one in cluster.members() if one["room"] in EVERY_ROOM]
    assert {one["pid"] for one in before if one["room"] in EVERY_ROOM}.isdisjoint(one["pid"] for one in after)
    assert {one["release"] for one in after} == {""}
    assert fans.answers["accepted"] > 50
    assert fans.strange == {}
    assert {token: fans.stakes_of(token) for token in fans.accepted} == dict(fans.accepted)
    assert schema(cluster) == 2


@WHOLE
def test_a_broken_release_is_taken_back_by_itself(cluster: Local, tmp_path_factory: pytest.TempPathFactory) -> None:
    cluster.up()
    token = cluster.door.guest()
    poll(lambda: place(cluster.door, token), 30)
    before, fans = [one["pid"] for one in cluster.members("gate")], Fans(cluster.door, 4)
    release = broken_release(tmp_path_factory.mktemp("broken"))
    with fans.betting():
        words = ("--canary", "0.1", "--watch", "60", "--requests-min", "10")
        done = cluster.command("roll", "gate", "--release", str(release), *words)
    assert done.returncode == 1
    assert re.search(r"canary \(gate-\d, .*\) was taken back: \d+ of its \d+ answers were 5xx", done.stderr), (
        done.stderr
    )
    assert [one["pid"] for one in cluster.members("gate")] == before
    assert set(fans.strange) == {"internal_error"}
    assert fans.answers["internal_error"] < fans.answers["accepted"]
    assert poll(lambda: cluster.command("status").returncode == 0, 60)


def raw_alive(cluster: Local) -> list[dict[str, Any]]:
    """Signs of life of the owners of books as they stand on the log, with fields that this release does not know."""
    from matchday.backends.log_kafka_reads import Reads
    from tests.real import _IDS

    def fatal(error: BaseException) -> None:
        raise error

    with contextlib.closing(Reads(load(cluster.folder / "cluster.toml", {}).kafka, _IDS, fatal)) as reads:
        found = [json.loads(stored.value) for stored in reads.read((Topic.BOOKS, 0), -1, 10**6)]
    return [message for message in found if message["kind"] == "odds_alive"]


def schema(cluster: Local) -> int:
    """The version of the ledger's."""
    import psycopg

    with psycopg.connect(load(cluster.folder / "cluster.toml", {}).postgres.address) as connection:
        return int(connection.execute("SELECT max(version) FROM schema_version").fetchall()[0][0])


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("scale", "gate=9"), "N up to 32 (8 gates)"),
        (("scale", "doors=1"), "expected ROOM=N with a room of relay, settlement, odds, feed, gate"),
        (("logs", "nobody"), "nothing here is called nobody"),
        (("up",), "one of the arguments --config --with-engines is required"),
    ],
)
def test_what_cannot_be_is_named(cluster: Local, words: tuple[str, ...], says: str) -> None:
    done = cluster.command(*words)
    assert done.returncode != 0
    assert says in re.sub(r"\s+", " ", done.stderr)


def test_logs_are_found_by_name(cluster: Local) -> None:
    name = cluster.members("gate")[0]["name"]
    said = cluster.command("logs", name).stdout
    assert said.startswith(f"--- {name}\n")
    assert "Matchday runs gate" in said
