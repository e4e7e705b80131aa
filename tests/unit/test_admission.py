"""Who may come in now, and when the others are told to come back."""

import pytest

from matchday.config import Push as Settings
from matchday.edge.admission import Admission
from matchday.edge.problems import Problem
from matchday.sim.clock import VirtualClock

RATE = 100
ADDRESS = "192.0.2.1"


class Hall:
    full = draining = False


class Gate:
    def __init__(self, **settings: int) -> None:
        self.clock, self.hall = VirtualClock(1), Hall()
        self.settings = Settings(**{"admissions_per_second_max": RATE, **settings})
        self.admission = Admission(self.clock, self.settings, self.hall)

    def come(self, count: int = 1, address: str = ADDRESS) -> list[Problem]:
        """So many come at once; those that are refused."""
        return [problem for _ in range(count) if (problem := self.admission.refusal(address)) is not None]


def retry_s(problem: Problem) -> int:
    return int(problem.parts()[2]["Retry-After"])


def reasons(problems: list[Problem]) -> set[str]:
    return {problem.details.reason for problem in problems}


def test_a_second_s_worth_comes_in_at_once_and_then_the_rate() -> None:
    gate = Gate()
    assert len(gate.come(RATE + 50)) == 50
    for _ in range(20):
        gate.clock.run_for(100)
        assert len(gate.come(50)) == 50 - RATE // 10


def test_a_crowd_is_told_to_come_back_spread_over_the_time_it_takes() -> None:
    gate = Gate()
    gate.come(RATE)
    refused = gate.come(10 * RATE)
    assert reasons(refused) == {"crowded"}
    waits = [retry_s(problem) for problem in refused]
    assert set(waits) <= set(range(1, 12))
    assert max(waits[:50]) <= 2  # the first need not wait for those behind
    late = [wait for wait in waits[-200:] if wait > 6]
    assert 40 < len(late) < 160  # drawn evenly, not all at the end
    problem = refused[-1]
    assert problem.details.status == 503
    assert f"come back in {retry_s(problem)} s" in problem.details.detail


def test_nobody_waits_longer_than_the_setting_says() -> None:
    gate = Gate(admissions_per_second_max=1, retry_s_max=7)
    waits = {retry_s(problem) for problem in gate.come(1_000)}
    assert waits == set(range(1, 8))


def test_the_crowd_is_forgotten_as_it_has_had_the_time_to_come_in() -> None:
    gate = Gate()
    gate.come(20 * RATE)
    gate.clock.run_for(30_000)
    gate.come(RATE)
    assert {retry_s(problem) for problem in gate.come(10)} <= {1, 2}


def test_a_crowd_that_obeys_is_all_in_after_as_long_as_it_must_take() -> None:
    gate = Gate()
    begin = gate.clock.elapsed_ms()
    due = dict.fromkeys(range(1_500), begin)  # who -> when he comes
    inside = tries = 0
    while due and tries < 100_000:
        gate.clock.run_until(min(due.values()))
        now = gate.clock.elapsed_ms()
        for who in [who for who, at in due.items() if at <= now]:
            tries += 1
            if refused := gate.come():
                due[who] = now + retry_s(refused[0]) * 1_000
            else:
                inside += 1
                del due[who]
    assert inside == 1_500
    assert gate.clock.elapsed_ms() - begin <= 40_000
    assert tries < 10 * 1_500


def test_an_address_has_so_many_connections_and_no_more() -> None:
    gate = Gate(connections_per_address_max=2)
    for _ in range(2):
        assert not gate.come()
        gate.admission.entered(ADDRESS)
    (refused,) = gate.come()
    assert (refused.details.reason, refused.details.status) == ("connections_full", 429)
    assert 1 <= retry_s(refused) <= 30
    assert not gate.come(address="192.0.2.2")
    gate.admission.left(ADDRESS)
    assert not gate.come()
    gate.admission.left(ADDRESS)
    assert gate.admission._held == {}


def test_a_whole_64_is_one_address() -> None:
    gate = Gate(connections_per_address_max=1)
    gate.admission.entered("2001:db8::1")
    assert reasons(gate.come(address="2001:db8::2")) == {"connections_full"}
    assert not gate.come(address="2001:db8:0:1::2")


@pytest.mark.parametrize(("state", "reason"), [("full", "full"), ("draining", "draining")])
def test_a_full_gate_and_a_draining_one_use_up_no_rate(state: str, reason: str) -> None:
    gate = Gate()
    setattr(gate.hall, state, True)
    refused = gate.come(2 * RATE)
    assert reasons(refused) == {reason}
    assert len({retry_s(problem) for problem in refused}) > 1
    setattr(gate.hall, state, False)
    assert not gate.come(RATE)
