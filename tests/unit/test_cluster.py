"""What a local cluster remembers, and how it is spoken to. With real engines: ``tests/e2e/test_cluster.py``."""

import os
import signal
import subprocess
import sys
from argparse import ArgumentTypeError
from collections.abc import Iterator
from pathlib import Path

import pytest

from matchday.commands import ROOMS as EXPLAINED
from matchday.ops.cluster_balancer import CONFIG, Balancer
from matchday.ops.cluster_local import Cluster
from matchday.ops.cluster_rooms import GATES_MAX, ROOMS, Rooms
from matchday.ops.cluster_state import ClusterError, Folder, Member, State, born, ended, signalled
from matchday.ops.cluster_words import room_count


@pytest.fixture
def sleeper() -> Iterator["subprocess.Popen[bytes]"]:
    """A process that waits for its input."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield process
        process.kill()


def member(process: "subprocess.Popen[bytes]", name: str = "odds-0") -> Member:
    room, _, number = name.partition("-")
    return Member(name=name, room=room, number=int(number), pid=process.pid, born=born(process.pid), log="log")


def test_a_process_is_known_by_when_it_was_born(sleeper: "subprocess.Popen[bytes]") -> None:
    """A number is given to another process some time: that one is not ours, and is left alone."""
    mine = member(sleeper)
    assert mine.lives
    other = Member(name="x", room="odds", pid=sleeper.pid, born="1", log="log")
    assert not other.lives
    signalled(other, signal.SIGKILL)
    assert mine.lives
    signalled(mine, signal.SIGTERM)
    assert ended(mine, 10)
    assert born(sleeper.pid) == ""
    assert not Member(name="x", room="odds", pid=2**22, born="", log="log").lives


def test_what_does_not_end_is_killed() -> None:
    stubborn = "import signal, sys; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); sys.stdin.read()"
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", stubborn], stdin=pipe, stdout=pipe) as process:
        assert process.stdout is not None
        process.stdout.readline()
        mine = member(process)
        signalled(mine, signal.SIGTERM)
        assert not ended(mine, 0.1)
        assert process.wait(10) == -signal.SIGKILL


def test_a_cluster_is_remembered_and_changed_by_one_at_a_time(
    tmp_path: Path, sleeper: "subprocess.Popen[bytes]"
) -> None:
    folder = Folder(tmp_path / "cluster")
    with pytest.raises(ClusterError, match=r"no cluster in .*: `matchday cluster up` starts one"):
        folder.load()
    state = State(door=8_000, rooms=[member(sleeper, "gate-1"), member(sleeper, "gate-0")])
    with folder.locked():
        folder.save(state)
        with pytest.raises(ClusterError, match="another command changes the cluster"), Folder(folder.path).locked():
            pass
    assert [one.name for one in folder.load().of("gate")] == ["gate-0", "gate-1"]
    assert folder.exists
    folder.forget()
    assert not folder.exists


def test_what_is_missing_is_started_under_free_numbers(tmp_path: Path, sleeper: "subprocess.Popen[bytes]") -> None:
    gone = Member(name="odds-0", room="odds", number=0, pid=1, born="never", log="log")
    rooms = Rooms(Folder(tmp_path), State(rooms=[gone, member(sleeper, "odds-1")]))
    assert rooms.missing("odds", 3) == [0, 2]
    assert rooms.missing("odds", 1) == []
    assert rooms.missing("gate", 99) == list(range(GATES_MAX))


def test_the_balancer_knows_the_gates_and_asks_them_at_their_ops_ports(tmp_path: Path) -> None:
    gate = Member(name="gate-3", room="gate", number=3, pid=os.getpid(), born="1", port=81, ops_port=91, log="log")
    Balancer(tmp_path, 8_000).write([gate])
    text = (tmp_path / CONFIG).read_text()
    assert "    server gate-3 127.0.0.1:81 check port 91 " in text
    assert "bind 127.0.0.1:8000\n" in text
    assert "option http-no-delay" in text
    assert Balancer(tmp_path, 8_000).states() == {}
    with pytest.raises(ClusterError, match="haproxy does not answer"):
        Balancer(tmp_path, 8_000).drain("gate-3")


def test_two_balancers_differ_in_their_address_and_socket_alone(tmp_path: Path) -> None:
    state = State(door=8_000, network="127.1.9")
    assert state.doors == ["http://127.1.9.1:8000", "http://127.1.9.2:8000"]
    gate = Member(name="gate-0", room="gate", pid=os.getpid(), born="1", port=81, ops_port=91, log="log")
    texts = []
    for number, address in enumerate(state.door_addresses):
        balancer = Balancer(tmp_path, state.door, address, number)
        balancer.write([gate])
        text = (tmp_path / f"{balancer.name}.cfg").read_text()
        assert f"bind {address}:8000\n" in text
        texts.append(text.replace(address, "").replace(f"{balancer.name}.sock", ""))
    assert texts[0] == texts[1]


def test_a_server_s_process_is_found_with_all_that_it_started() -> None:
    """To stop a machine is to stop them all: one of PostgreSQL that goes on may still commit."""
    child = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'print(flush=True); input()'])"
    with subprocess.Popen([sys.executable, "-c", child], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        found = member(process).family
        assert found[0] == process.pid
        assert len(found) == 2
        assert born(found[1])
        process.kill()
        os.kill(found[1], signal.SIGKILL)
    assert member(process).family == []


def test_postgresql_is_the_process_that_runs_in_its_folder_now(
    tmp_path: Path, sleeper: "subprocess.Popen[bytes]"
) -> None:
    """Patroni starts it anew: it is not gone. The file of one that was killed names whoever has its number now."""
    gone = Member(name="postgres-0", room="engine", kind="postgres", pid=1, born="never", data=str(tmp_path), log="log")
    assert not gone.lives
    (tmp_path / "postmaster.pid").write_text(f"{sleeper.pid}\n{tmp_path}\n")
    assert not gone.lives  # it runs elsewhere
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, cwd=tmp_path) as process:
        (tmp_path / "postmaster.pid").write_text(f"{process.pid}\n{tmp_path}\n")
        assert gone.process == process.pid
        signalled(gone, signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert State(engines=[gone]).at("127.0.0.1") == [gone]


@pytest.mark.parametrize("word", ["odds", "odds=", "odds=-1", "odds=33", "gate=9", "doors=1", "=1", "odds=x"])
def test_what_cannot_be_scaled_is_refused(word: str) -> None:
    with pytest.raises(ArgumentTypeError, match="expected ROOM=N"):
        room_count(word)
    assert room_count("odds=3") == ("odds", 3)


def test_every_room_runs_in_a_cluster() -> None:
    assert set(ROOMS) == set(EXPLAINED)


def test_status_of_a_cluster_says_what_has_ended(tmp_path: Path, sleeper: "subprocess.Popen[bytes]") -> None:
    folder = Folder(tmp_path)
    log = tmp_path / "odds-0.log"
    log.write_text("one\ntwo\nthree\n")
    gone = Member(name="odds-0", room="odds", number=0, pid=1, born="never", log=str(log))
    with folder.locked():
        folder.save(State(door=8_000, rooms=[gone, member(sleeper, "odds-1")]))
    cluster = Cluster(tmp_path, lambda _: None, lambda: b"")
    report = cluster.report()
    assert [(one.name, one.lives, one.ready, one.reasons) for one in report.members] == [
        ("odds-0", False, False, ["its process has ended"]),
        ("odds-1", True, False, ["its ops port does not answer"]),
    ]
    assert not report.whole
    assert list(cluster.logs(["odds-0"], 2)) == [("odds-0", "two\nthree")]
    with pytest.raises(ClusterError, match="nothing here is called odds-7"):
        list(cluster.logs(["odds-7"], 2))
