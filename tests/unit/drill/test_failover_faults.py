"""Faults of a drill: which there are, that what was killed is gone, and that it comes back as it was."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from matchday.ops.cluster_state import Folder, Member, State, born, wait_for
from matchday.ops.drill import DrillError
from matchday.ops.drill.failover import processes
from matchday.ops.drill.failover.choice import CI, chosen
from matchday.ops.drill.failover.cut import Cut
from matchday.ops.drill.failover.door import NotAnswered, _decoded
from matchday.ops.drill.failover.processes import Supervisor, held, kill, seen, stopped
from matchday.words import WordsError

PARENT = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'input()'], stdin=subprocess.PIPE); input()"


@pytest.fixture
def parent(tmp_path: Path) -> Iterator[Member]:
    """A process with a child; both wait for their input."""
    with subprocess.Popen(
        [sys.executable, "-c", PARENT], stdin=subprocess.PIPE, cwd=tmp_path, env={**os.environ, "SAID": "to it"}
    ) as process:
        member = Member(name="odds-0", room="odds", pid=process.pid, born=born(process.pid), log=str(tmp_path / "log"))
        assert wait_for(lambda: len(member.family) == 2, 10)
        yield member
        processes.send(member.family, signal.SIGKILL)


def test_what_is_killed_is_gone_with_all_that_it_started(parent: Member) -> None:
    pids = parent.family
    assert kill(parent) == f"SIGKILL to odds-0 (process {parent.pid} and 1 of its own): gone"
    assert [born(pid) for pid in pids] == ["", ""]
    with pytest.raises(DrillError, match="odds-0 was to be killed: nothing runs"):
        kill(parent)
    with pytest.raises(DrillError, match=r"its process \d+ is gone"):
        seen(parent)


def test_what_is_held_stands_still_and_goes_on(parent: Member) -> None:
    pids = parent.family
    with held(pids):
        assert all(stopped(pid) for pid in pids)
    assert wait_for(lambda: not any(stopped(pid) for pid in pids), 5)


def test_it_comes_back_as_it_was(parent: Member, tmp_path: Path) -> None:
    folder = Folder(tmp_path / "cluster")
    with folder.locked():
        folder.save(State(rooms=[parent]))
    was = seen(parent)
    assert (was.folder, was.environment["SAID"], was.user) == (str(tmp_path), "to it", os.getuid())
    kill(parent)
    says = "import os; print(os.environ['SAID'], os.environ['MORE'], os.getcwd(), flush=True)"
    command = [sys.executable, "-c", says]
    supervisor = Supervisor(folder)
    member = supervisor.again(processes.Seen(parent, command, was.folder, was.environment, was.user, was.group),
                              {"MORE": "and more"})  # fmt: skip
    (known,) = folder.load().rooms
    assert (known.name, known.pid) == ("odds-0", member.pid)
    assert supervisor._started[0].wait(10) == 0
    assert (tmp_path / "log").read_text() == f"to it and more {tmp_path}\n"


def test_faults_are_chosen_by_name_and_by_group() -> None:
    assert [fault.name for fault in chosen("gate, odds", ha=False)] == ["gate", "odds"]
    assert tuple(fault.name for fault in chosen("ci", ha=False)) == CI
    without, every = chosen("all", ha=False), chosen("all", ha=True)
    assert {fault.name for fault in every} - {fault.name for fault in without} == {f.name for f in every if f.ha}
    bounds = {fault.name: fault.bound_s for fault in every}
    assert (bounds["gate"], bounds["odds"], bounds["redis"], bounds["haproxy"]) == (2, 3, 3, 3)
    assert (bounds["broker"], bounds["primary"], bounds["primary_hang"], bounds["primary_cut"]) == (10, 10, 30, 30)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("gate,nonsense", "--faults 'nonsense': there are all, rooms, engines, ci, gate"),
        ("primary", "'primary' needs engines in high availability: add --ha"),
        (" , ", "--faults names nothing"),
    ],
)
def test_what_is_no_fault_is_named(words: str, says: str) -> None:
    with pytest.raises(WordsError, match=says):
        chosen(words, ha=False)


def test_a_cut_leaves_one_client_on_its_side() -> None:
    rules = Cut("127.1.4.21", ["127.1.4.11:7002"], "127.1.4.99").rules().splitlines()
    assert rules.index("    ip saddr 127.1.4.99 ip daddr 127.1.4.21 accept") < rules.index(
        "    ip daddr 127.1.4.21 counter drop"
    )
    assert "    ip daddr 127.1.4.11 tcp dport 7002 counter drop" in rules


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"HTTP/1.0 503 Service Unavailable\r\nContent-Type: text/html\r\n\r\n<html></html>",
        b'HTTP/1.1 201 Created\r\nContent-Type: application/json\r\n\r\n{"answer":"acc',
    ],
)
def test_only_a_gate_s_whole_answer_is_one(said: bytes) -> None:
    """A balancer's own answer says nothing of whether a gate was heard."""
    with pytest.raises(NotAnswered):
        _decoded(said)
    whole = b'HTTP/1.1 201 Created\r\nContent-Type: application/json\r\n\r\n{"answer":"accepted"}'
    assert _decoded(whole) == (201, {"answer": "accepted"})
