"""What engines in high availability are told. With real ones: ``tests/e2e/test_ha.py``."""

import argparse
from collections import Counter
from pathlib import Path

import pytest

from matchday.config import load
from matchday.ops import cluster_ha
from matchday.ops.cluster_ha import PORTS, HighlyAvailable, member_of, network_of
from matchday.ops.cluster_local import Cluster, Wish
from matchday.ops.cluster_state import ClusterError, Folder, Member, State
from matchday.ops.cluster_words import Local, add_words
from matchday.ops.engines import EngineError, Server
from matchday.ops.engines.etcd import ELECTION_MS, Etcd
from matchday.ops.engines.kafka import Kafka
from matchday.ops.engines.patroni import RETRY_S, TTL_S, Patroni
from matchday.ops.engines.redis import WatchedRedis
from matchday.words import WordsError

NETWORK = "127.1.42"
KEPT = {name: list(range(7_000 + 10 * n, 7_000 + 10 * n + count)) for n, (name, count) in enumerate(PORTS.items())}


@pytest.fixture(autouse=True)
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is missing here: nothing is started."""
    for engine in ("etcd", "patroni", "redis"):
        monkeypatch.setattr(f"matchday.ops.engines.{engine}.program", lambda name, _: f"/usr/bin/{name}")
    monkeypatch.setattr("matchday.ops.engines.patroni.binary", lambda name: Path("/usr/lib/postgresql/15/bin") / name)
    monkeypatch.setattr("matchday.ops.engines.kafka.program", lambda name, _: f"/usr/bin/{name}")
    monkeypatch.setattr("matchday.ops.engines.patroni.shutil.chown", lambda *_: None)


def addresses(first: int, count: int = 3) -> list[str]:
    return [f"{NETWORK}.{first + number}" for number in range(count)]


def patroni(folder: Path) -> Patroni:
    return Patroni(folder, addresses(21), 5432, 8008, Etcd(folder, addresses(11), 2380, [2391, 2392, 2393]))


def test_a_primary_steps_down_before_its_lease_ends(tmp_path: Path) -> None:
    shared = patroni(tmp_path).settings(0)["bootstrap"]["dcs"]
    assert shared["loop_wait"] + 2 * shared["retry_timeout"] <= shared["ttl"]
    assert 2 * ELECTION_MS <= 1_000 * RETRY_S  # the end of etcd's leader ends no primary


def test_a_commit_waits_for_standbys_that_are_named(tmp_path: Path) -> None:
    """``ANY 1`` would let the third node confirm what a former primary commits; with one name the other might be ahead
    of who is promoted, and have to be rewound first."""
    shared = patroni(tmp_path).settings(0)["bootstrap"]["dcs"]
    assert (shared["synchronous_mode"], shared["synchronous_mode_strict"]) == (True, True)
    assert shared["synchronous_node_count"] == 2
    assert shared["postgresql"]["parameters"]["synchronous_commit"] == "on"
    assert shared["primary_start_timeout"] == 0


def test_each_node_reaches_etcd_at_ports_of_its_own(tmp_path: Path) -> None:
    """So that one can be cut off from it, though all come from one address."""
    nodes = patroni(tmp_path)
    hosts = [nodes.settings(number)["etcd"] for number in range(3)]
    assert all(found["use_proxies"] for found in hosts)  # else it takes the members' word for where they are
    used = Counter(place for found in hosts for place in found["hosts"])
    assert set(used.values()) == {1}
    assert len(used) == 9
    for number, server in enumerate(nodes.servers()):
        assert list(server.uses) == hosts[number]["hosts"]
        assert server.user == "postgres"
        assert (tmp_path / f"postgres-{number}.yml").is_file()
    assert len({found["hosts"][0].rpartition(":")[0] for found in hosts}) == 3  # not all with the same member
    clients = next(
        word for word in Etcd(tmp_path, addresses(11), 1, [2, 3]).servers()[1].command if "client-urls" in word
    )
    assert clients == f"--listen-client-urls=http://{NETWORK}.12:2,http://{NETWORK}.12:3"


def test_with_three_brokers_two_have_a_record_before_it_counts(tmp_path: Path) -> None:
    three = Kafka(tmp_path, 3, ports=[91] * 3 + [92] * 3, addresses=addresses(31))
    assert three.bootstrap == f"{NETWORK}.31:91,{NETWORK}.32:91,{NETWORK}.33:91"
    said = dict(line.split("=", 1) for line in three.settings(1).splitlines())
    assert said["listeners"] == f"PLAINTEXT://{NETWORK}.32:91,CONTROLLER://{NETWORK}.32:92"
    assert said["controller.quorum.voters"] == f"0@{NETWORK}.31:92,1@{NETWORK}.32:92,2@{NETWORK}.33:92"
    assert said["min.insync.replicas"] == said["transaction.state.log.min.isr"] == "2"
    assert said["offsets.topic.replication.factor"] == "3"
    alone = dict(line.split("=", 1) for line in Kafka(tmp_path, 1).settings(0).splitlines())
    assert alone["min.insync.replicas"] == "1"


def test_the_files_of_redis_are_its_own_once_they_are_written(tmp_path: Path) -> None:
    """A Sentinel keeps in them who is the master: whoever comes back must not take himself for it."""
    redis = WatchedRedis(tmp_path, addresses(41, 2), 6379, addresses(51), 26379)
    assert redis.url == f"redis+sentinel://{NETWORK}.51:26379,{NETWORK}.52:26379,{NETWORK}.53:26379/matchday/0"
    roles = [(server.name, server.role) for server in redis.servers()]
    assert roles[:2] == [("redis-0", "master"), ("redis-1", "replica")]
    assert f"replicaof {NETWORK}.41 6379" in (tmp_path / "redis-1" / "redis.conf").read_text()
    assert f"monitor matchday {NETWORK}.41 6379 2" in (tmp_path / "sentinel-2" / "sentinel.conf").read_text()
    (tmp_path / "redis-0" / "redis.conf").write_text(f"replicaof {NETWORK}.42 6379")
    redis.servers()
    assert (tmp_path / "redis-0" / "redis.conf").read_text() == f"replicaof {NETWORK}.42 6379"


def test_clusters_of_two_folders_do_not_meet(tmp_path: Path) -> None:
    assert network_of(tmp_path / "one") != network_of(tmp_path / "two")
    assert network_of(tmp_path / "one") == network_of(tmp_path / "one")


def test_the_settings_name_all_of_them(tmp_path: Path) -> None:
    engines = HighlyAvailable(tmp_path, NETWORK, dict(KEPT))
    config = tmp_path / "cluster.toml"
    config.write_text(engines.settings(tmp_path / "secret"))
    settings = load(config, {})
    assert len(settings.kafka.brokers) == settings.kafka.replicas == 3
    assert f"host={NETWORK}.21,{NETWORK}.22,{NETWORK}.23 port=7010 " in settings.postgres.address
    assert settings.cache.address.startswith("redis+sentinel://")
    assert settings.postgres.statement_ms_max < settings.postgres.silence_ms_max  # a slow statement is no silence
    assert settings.postgres.silence_ms_max < 1_000 * TTL_S


def test_a_folder_stays_what_it_was_made_as(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="not in high availability: leave out --ha"):
        HighlyAvailable(tmp_path, NETWORK, {"postgres": [1, 2], "kafka": [3, 4]})


def test_what_runs_is_not_started_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``up`` said again brings back what has ended, and touches nothing else."""
    engines = HighlyAvailable(tmp_path, NETWORK, dict(KEPT))
    launched: list[str] = []

    class Started:
        pid = 4_242_424

        def wait_until_ready(self) -> None:
            """At once."""

    def launch(server: Server) -> Started:
        launched.append(server.name)
        return Started()

    monkeypatch.setattr(Server, "launch", launch)
    monkeypatch.setattr(cluster_ha, "_wait_until", lambda whole, name: None)
    monkeypatch.setattr(Kafka, "servers", lambda _: [])
    monkeypatch.setattr(Patroni, "make_database", lambda _: None)
    monkeypatch.setattr(Member, "lives", property(lambda one: one.name != "etcd-1"))
    known = [member_of(server, 1) for server in engines._etcd.servers()]
    told: list[list[Member]] = []
    engines.start(known, told.append)
    assert launched == [
        "etcd-1", "patroni-0", "patroni-1", "patroni-2", "redis-0", "redis-1", "sentinel-0", "sentinel-1",
        "sentinel-2",
    ]  # fmt: skip
    assert [one.name for one in told[-1]][-3:] == ["postgres-0", "postgres-1", "postgres-2"]
    assert {one.address for one in told[-1] if one.kind == "etcd"} == set(addresses(11))
    assert next(one.pid for one in told[-1] if one.name == "etcd-1") == Started.pid


def test_a_cluster_that_runs_does_not_become_available_on_the_way(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    one = Member(name="redis", room="engine", kind="redis", pid=1, born="never", log="log")
    with folder.locked():
        folder.save(State(door=8_000, engines=[one]))
    cluster = Cluster(tmp_path, lambda _: None, lambda: b"x" * 32)
    with pytest.raises(ClusterError, match="not in high availability: say `matchday cluster down` first"):
        cluster.up(Wish(door=8_000, rooms={}, config=None, available=True), lambda _: None)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--config", "x.toml", "--ha"), "--ha goes with --with-engines"),
        (("--config", "x.toml", "--brokers", "3"), "--brokers goes with --with-engines"),
        (("--with-engines", "--ha", "--brokers", "1"), "--ha starts three brokers"),
    ],
)
def test_words_that_do_not_go_together_are_named(words: tuple[str, ...], says: str, tmp_path: Path) -> None:
    parser = argparse.ArgumentParser()
    add_words(parser.add_subparsers(dest="cluster_command"))
    options = parser.parse_args(["up", *words, "--state", str(tmp_path)])
    with pytest.raises(WordsError, match=says):
        Local(lambda: b"", lambda _: None)(options)
