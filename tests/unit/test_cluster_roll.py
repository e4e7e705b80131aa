"""What a roll is told, and what a canary is judged by. With real rooms: ``tests/e2e/test_cluster.py``."""

import argparse
import math
from collections.abc import Mapping
from pathlib import Path

import pytest

from matchday.ops.cluster_canary import Budget, Seen, Watch, refusals_max
from matchday.ops.cluster_release import interpreter, release_of, with_release
from matchday.ops.cluster_roll import Order, Rolling, _batches
from matchday.ops.cluster_state import ClusterError, Folder, Member, State
from matchday.ops.cluster_words import add_words, order_of
from matchday.words import WordsError

Counts = Mapping[str, str]


def row(good: int = 0, refused: int = 0, failed: int = 0, ms: int = 5, status: str = "UP", broken: int = 0) -> Counts:
    """What HAProxy counts of a gate."""
    return {
        "hrsp_1xx": "0", "hrsp_2xx": str(good), "hrsp_3xx": "0", "hrsp_4xx": str(refused), "hrsp_5xx": str(failed),
        "econ": str(broken), "eresp": "", "rtime": str(ms), "status": status,
    }  # fmt: skip


class Balancer:
    """Two old gates and a canary, whose counts are given."""

    def __init__(self, canary: Counts, other: Counts | None = None) -> None:
        self.now: dict[str, Counts] = {}
        self.watch = Watch(["gate-2"], Budget(requests_min=100), lambda: self.now)
        old = other or row(good=1_000)
        self.now = {"gate-0": old, "gate-1": old, "gate-2": canary}

    def looks(self, count: int = 1) -> str:
        return [self.watch.look() for _ in range(count)][-1]


@pytest.mark.parametrize(
    ("canary", "other", "says"),
    [
        (row(good=1_000), None, ""),
        (row(good=1_000, refused=100), row(good=1_000, refused=80), ""),
        (row(good=999, failed=1), None, ""),  # the budget is one in a thousand
        (row(good=998, failed=2), None, "2 of its 1000 answers were 5xx or broken connections"),
        (row(good=998, broken=2), None, "2 of its 1000 answers were 5xx or broken connections"),
        (row(good=900, failed=100), row(good=900, failed=100), ""),  # an engine stumbles: all of them do
        (row(good=10, failed=50), None, ""),  # too few to say
        (row(good=500, refused=500), row(good=900, refused=100), "50% of its answers were 4xx, of the others 10%"),
        (row(good=94, refused=6), None, ""),  # beyond 5 %, not beyond what chance makes of it
        (row(good=87, refused=13), None, "13% of its answers were 4xx, of the others 0%"),
        (row(good=1_000, status="DOWN"), None, "gate-2 does not answer the balancer"),
        (row(good=1_000, status="DOWN 1/2"), None, "gate-2 does not answer the balancer"),
        (row(good=1_000, status="MAINT"), None, "gate-2 does not answer the balancer"),
    ],
)
def test_a_canary_is_judged_beside_the_others(canary: Counts, other: Counts | None, says: str) -> None:
    assert Balancer(canary, other).looks().startswith(says)
    assert bool(Balancer(canary, other).looks()) == bool(says)


def test_a_few_answers_do_not_say_that_a_release_refuses() -> None:
    few = [refusals_max(count, Seen(requests=1_000)) for count in (15, 1_000)]
    assert [math.floor(most) for most in few] == [3, 70]
    beside = Seen(requests=15, refused=2)
    assert refusals_max(15, beside) > refusals_max(15, Seen(requests=1_500, refused=200)) > 15 * 0.3
    assert refusals_max(1_000, Seen()) == few[1]  # nobody beside it: what it gives alone is judged


def test_what_was_counted_before_the_canary_came_says_nothing() -> None:
    balancer = Balancer(row(good=1_000))
    balancer.now = {"gate-0": row(good=50, failed=50), "gate-2": row()}
    watch = Watch(["gate-2"], Budget(requests_min=10), lambda: balancer.now)
    balancer.now = {"gate-0": row(good=150, failed=50), "gate-2": row(good=95, failed=5)}
    assert "5 of its 100 answers" in watch.look()
    assert (watch.others.requests, watch.others.failed) == (100, 0)


def test_slow_is_what_is_slow_for_a_while() -> None:
    assert Balancer(row(good=500, ms=90), row(good=500, ms=40)).looks(9) == ""  # a busy hour
    balancer = Balancer(row(good=500, ms=90))
    assert balancer.looks(2) == ""
    assert balancer.looks() == "its answers take 90 ms, those of the others 5 ms"
    balancer = Balancer(row(good=500, ms=90))
    assert balancer.looks(2) == ""
    fast, slow = dict(balancer.now, **{"gate-2": row(good=500)}), balancer.now
    balancer.now = fast
    assert balancer.looks() == ""
    balancer.now = slow
    assert balancer.looks(2) == ""


def test_too_few_requests_are_no_judgement() -> None:
    balancer = Balancer(row(good=99))
    assert balancer.looks() == ""
    assert "it had 99 requests, and less than 100 say nothing" in balancer.watch.end()
    balancer.now = dict(balancer.now, **{"gate-2": row(good=100)})
    assert balancer.looks() == ""
    assert balancer.watch.end() == ""
    balancer.now = {}
    assert balancer.looks() == "the balancer does not answer"
    balancer.now = {"gate-0": row()}
    assert balancer.looks() == "it does not answer the balancer"


def test_a_release_is_a_folder_of_code(tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match=r"is no release: name a virtual environment .* or a folder of sources"):
        release_of(tmp_path)
    (tmp_path / "src" / "matchday").mkdir(parents=True)
    (tmp_path / "src" / "matchday" / "__main__.py").touch()
    sources = release_of(tmp_path / "src")
    assert with_release(sources, {"PYTHONPATH": "before", "A": "b"}) == {"PYTHONPATH": f"{sources}:before", "A": "b"}
    (tmp_path / "venv" / "bin").mkdir(parents=True)
    (tmp_path / "venv" / "bin" / "python").touch()
    installed = release_of(tmp_path / "venv")
    assert interpreter(installed) == f"{installed}/bin/python"
    assert with_release(installed, {"A": "b"}) == {"A": "b"}
    assert (release_of(None), with_release("", {"A": "b"})) == ("", {"A": "b"})


def order(*words: str) -> Order:
    parser = argparse.ArgumentParser()
    add_words(parser.add_subparsers(dest="cluster_command"))
    return order_of(parser.parse_args(["roll", *words]))


def test_what_is_rolled_can_be_said() -> None:
    assert order() == Order(rooms=("relay", "settlement", "odds", "feed", "gate"))
    found = order("gate", "odds", "--canary", "0.5", "--watch", "9", "--errors-max", "0.01", "--at-once", "2")
    assert (found.rooms, found.canary, found.at_once) == (["gate", "odds"], 0.5, 2)
    assert found.budget == Budget(seconds=9, errors_max=0.01)
    assert order("--back").back


@pytest.mark.parametrize(("words", "says"), [
    (("doors",), "'doors' is no room; they are relay, settlement, odds, feed, gate"),
    (("--at-once", "0"), "--at-once 0 is outside 1 to 32"),
    (("--canary", "1.5"), "--canary 1.5 is outside 0 to 1"),
    (("--watch", "0"), "--watch 0 is outside 1 to 86400"),
    (("--release", "/nowhere"), "--release /nowhere is no release"),
])  # fmt: skip
def test_what_cannot_be_rolled_is_named(words: tuple[str, ...], says: str) -> None:
    with pytest.raises((ClusterError, WordsError), match=says):
        order(*words)


def test_those_for_whom_there_is_somebody_already_go_first() -> None:
    members = [Member(name=f"gate-{n}", room="gate", number=n, pid=1, born="1", log="x") for n in range(5)]
    sizes = [[one.number for one in batch] for batch in _batches(members, 2, 1)]
    assert sizes == [[0], [1, 2], [3, 4]]
    assert [len(batch) for batch in _batches(members, 2, 0)] == [2, 2, 1]


def test_there_is_no_way_back_from_nothing(tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match="nothing was rolled here"):
        Rolling(Folder(tmp_path), State(door=1), lambda _: None).run(Order(back=True))
