"""Roll-outs: every process of a local cluster replaced by one of another release, or started anew, while fans bet.

One after the other, or so many at once: the new process is started and is ready before the old one is told to stop. A
gate is sent fans first and the old one none; a room that shares work has its shares in the same number of hands before
and after. Readers come before writers (the order of ``ROOMS``), so that what is said is understood; before all of them
a few gates may be tried (``cluster_canary``).

Where something is not as it must be the roll stops, and what was running runs: a process that does not become ready is
ended, and the old one was not touched. Said again, it goes on with what is left; ``--back`` brings back what was there.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from time import perf_counter
from typing import Final

import msgspec

from matchday.ops.cluster_balancer import Balancer
from matchday.ops.cluster_canary import Budget, Verdict, Watch
from matchday.ops.cluster_release import shown
from matchday.ops.cluster_rooms import GATES_MAX, ROOMS, ROOMS_MAX, Rooms, figures, readiness, stop
from matchday.ops.cluster_state import ClusterError, Folder, Member, State, wait_for

WHOLE_S_MAX: Final = 60.0
"""Seconds in which a room must have all of its shares in hand again, and the balancer see a new gate."""
_TAKEN_S: Final = 10.0
"""Seconds that a new process is given to take shares before an old one is told to stop: then its own move once."""
_LOOK_S: Final = 1.0
"""Between two looks at a canary."""
_SHARED: Final = ("odds", "settlement")
"""Rooms of which a new process takes shares from the others; of the rest one works."""
Say = Callable[[str], None]


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be rolled."""

    rooms: Sequence[str] = tuple(ROOMS)
    release: str = ""
    back: bool = False
    """To what each room ran before the last roll."""
    at_once: int = 1
    canary: float = 0.0
    """Share of the gates that are tried first; 0: none."""
    budget: Budget = Budget()


class Replaced(msgspec.Struct, frozen=True):
    """Processes that were replaced together."""

    old: list[str]
    new: list[str]
    seconds: float
    """From starting the new ones until the old ones had ended and all shares were in hand."""


class RollReport(msgspec.Struct, kw_only=True):
    """What was done."""

    releases: dict[str, str] = {}
    """Room -> what it runs now."""
    replaced: list[Replaced] = []
    canary: Verdict | None = None
    seconds: float = 0.0


class Rolling:
    """One roll of a cluster's folder, which nobody else changes meanwhile."""

    def __init__(self, folder: Folder, state: State, say: Say) -> None:
        self._folder, self._state, self._say = folder, state, say
        self._rooms = Rooms(folder, state)
        running = [one for one in state.balancers if one.lives]
        self._balancers = [Balancer(folder.path, state.door, one.address, one.number) for one in running]
        self._never = threading.Event()
        self._report = RollReport()

    def run(self, order: Order) -> RollReport:
        """Roll. ClusterError says where it stopped, and what to do."""
        began, state = perf_counter(), self._state
        if order.back and not state.former:
            raise ClusterError("nothing was rolled here, so that there is nothing to go back to")
        rooms = [room for room in ROOMS if room in order.rooms and (not order.back or room in state.former)]
        wanted = {room: state.former[room] if order.back else order.release for room in rooms}
        olds = {room: self._olds(room, wanted[room], back=order.back) for room in rooms}
        tried: list[Member] = []
        if order.canary and olds.get("gate"):
            tried = self._try(order, wanted["gate"])
        for room in rooms:
            if not order.back and state.releases.get(room, "") != wanted[room]:
                state.former[room] = state.releases.get(room, "")
            self._roll(room, wanted[room], olds[room], order.at_once, tried if room == "gate" else [])
            self._record(room, wanted[room], back=order.back)
        self._report.seconds = round(perf_counter() - began, 1)
        return self._report

    def _olds(self, room: str, release: str, *, back: bool) -> list[Member]:
        """Those that do not run that release yet; where all do, all of them are started anew, but not to go back."""
        living = [one for one in self._state.of(room) if one.lives]
        return [one for one in living if one.release != release] or ([] if back else living)

    def _record(self, room: str, release: str, *, back: bool) -> None:
        state = self._state
        state.releases[room] = self._report.releases[room] = release
        if back:
            del state.former[room]
        self._folder.save(state)

    # --- one room -----------------------------------------------------------------------------------------------------

    def _roll(self, room: str, release: str, olds: Sequence[Member], at_once: int, ready: Sequence[Member]) -> None:
        """Replace all of these; ``ready``: those that have been started for some of them already."""
        shares = self._shares(room)
        for batch in _batches(olds, at_once, len(ready)):
            began, news = perf_counter(), list(ready)
            if news:
                ready = []
            else:
                news = self._begin(room, release, len(batch))
                if room in _SHARED:
                    wait_for(lambda news=news: all(map(_shares, news)), _TAKEN_S)  # type: ignore[misc]
            self._end(batch)
            self._until_whole(room, shares)
            names = [one.name for one in batch], [one.name for one in news]
            self._report.replaced.append(Replaced(*names, round(perf_counter() - began, 1)))

    def _begin(self, room: str, release: str, count: int) -> list[Member]:
        """Start so many more, ready and in the balancer. ClusterError: they are gone again, and nothing else is."""
        living = [one for one in self._state.of(room) if one.lives]
        numbers = self._rooms.missing(room, len(living) + count)
        if len(numbers) < count:
            most = GATES_MAX if room == "gate" else ROOMS_MAX
            raise ClusterError(
                f"{room}: {len(living)} run, and {most} are the most: end {count} first, as with `matchday cluster "
                f"scale {room}={most - count}`"
            )
        self._state.rooms = [one for one in self._state.rooms if one.room != room or one.lives]
        news = []
        for number in numbers:
            self._say(f"{room}-{number}: starting ({shown(release)})")
            news.append(self._rooms.start(room, number, release=release))
        self._state.rooms += news
        self._folder.save(self._state)
        try:
            self._rooms.wait_until_ready(news)
            if room == "gate":
                self._let_in(news)
        except ClusterError as error:
            self._end(news)
            raise ClusterError(
                f"{error}\nthe roll stopped, and nothing was taken away. Mend that and say `matchday cluster roll` "
                "again: it goes on with what is left; or `matchday cluster roll --back`"
            ) from error
        return news

    def _let_in(self, gates: Sequence[Member]) -> None:
        for balancer in self._balancers:
            for gate in gates:
                balancer.add(gate)
        self._write_balancers()
        names = {gate.name for gate in gates}

        def up() -> bool:
            seen = [balancer.states() for balancer in self._balancers]
            return all(states.get(name, "").startswith("UP") for states in seen for name in names)

        if not wait_for(up, WHOLE_S_MAX):
            seen = {balancer.name: balancer.states() for balancer in self._balancers}
            raise ClusterError(f"a balancer does not see {', '.join(sorted(names))}: {seen}")

    def _end(self, members: Sequence[Member]) -> None:
        """Drain and end them: gates get nobody new first."""
        gates = [
            (balancer, one.name) for balancer in self._balancers for one in members if one.name in balancer.states()
        ]
        for balancer, gate in gates:
            balancer.drain(gate)
        self._say(f"{', '.join(one.name for one in members)}: draining")
        stop(members, self._say)
        gone = {one.name for one in members}
        self._state.rooms = [one for one in self._state.rooms if one.name not in gone]
        for balancer, gate in gates:
            balancer.remove(gate)
        if gates:
            self._write_balancers()
        self._folder.save(self._state)

    def _write_balancers(self) -> None:
        for balancer in self._balancers:
            balancer.write([gate for gate in self._state.of("gate") if gate.lives])

    def _shares(self, room: str) -> float:
        """Of a room's work that its processes hold."""
        return sum(_shares(one) for one in self._state.of(room) if one.lives)

    def _until_whole(self, room: str, shares: float) -> None:
        """Until all of its work is in hand, and begun."""

        def whole() -> bool:
            living = [one for one in self._state.of(room) if one.lives]
            said = [readiness(one) for one in living]
            return all(one is not None and one.whole for one in said) and self._shares(room) >= shares

        if not wait_for(whole, WHOLE_S_MAX):
            raise ClusterError(
                f"{room}: {self._shares(room):g} of {shares:g} shares are in hand after {WHOLE_S_MAX:g} s; the roll "
                "stopped. See `matchday cluster status` and `logs`, then say `matchday cluster roll` again, or --back"
            )

    def _counts(self) -> dict[str, dict[str, str]]:
        """What each balancer counts of each gate; nothing where one does not answer."""
        found = {balancer.name: balancer.rows() for balancer in self._balancers}
        if not all(found.values()):
            return {}
        return {f"{name}/{gate}": row for name, rows in found.items() for gate, row in rows.items()}

    # --- the canary ---------------------------------------------------------------------------------------------------

    def _try(self, order: Order, release: str) -> list[Member]:
        """A few gates of the new release, watched. ClusterError where they are not good: they are gone again."""
        gates = [one for one in self._state.of("gate") if one.lives]
        count = max(1, round(order.canary * len(gates)))
        news = self._begin("gate", release, count)
        names = [one.name for one in news]
        self._say(f"canary: {', '.join(names)} beside {len(gates)} gates, watched for {order.budget.seconds:g} s")
        seen = [f"{balancer.name}/{name}" for balancer in self._balancers for name in names]
        watch, began = Watch(seen, order.budget, self._counts), perf_counter()
        fault = ""
        while not fault and perf_counter() - began < order.budget.seconds:
            self._never.wait(_LOOK_S)
            fault = watch.look() or next((f"{one.name} has ended" for one in news if not one.lives), "")
        fault = fault or watch.end()
        self._report.canary = Verdict(
            fault=fault, canary=watch.canary, others=watch.others, seconds=round(perf_counter() - began, 1)
        )
        if fault:
            self._end(news)
            raise ClusterError(
                f"the canary ({', '.join(names)}, {shown(release)}) was taken back: {fault}. Every gate runs what it "
                "ran before"
            )
        return news


def _shares(member: Member) -> float:
    """Of its room's work, in one process's hands."""
    return figures(member).get(f'matchday_shares{{room="{member.room}"}}', 0.0)


def _batches(members: Sequence[Member], size: int, first: int) -> Iterator[Sequence[Member]]:
    """So many at a time; as many as have replacements already before that."""
    if first:
        yield members[:first]
    for start in range(first, len(members), size):
        yield members[start : start + size]
