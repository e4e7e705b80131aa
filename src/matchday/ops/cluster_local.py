"""A cluster on one machine: rooms as processes behind HAProxy, over engines that are named or started here.

For development and tests: whatever ends unasked stays away until ``up`` is said again, all is on one machine, and, but
in high availability, nobody promotes a standby. Production has a scheduler that starts the same ``matchday run``
(docs/operating.md).
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

import msgspec

from matchday.ops import cluster_rooms
from matchday.ops.cluster_balancer import Balancer
from matchday.ops.cluster_engines import Engines
from matchday.ops.cluster_ha import network_of
from matchday.ops.cluster_rooms import ROOMS, Rooms, readiness, stop, tail
from matchday.ops.cluster_state import SECRET, ClusterError, Folder, Member, State

CONFIG: Final = "cluster.toml"
LINES: Final = 20
Say = Callable[[str], None]


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What ``up`` was told."""

    door: int
    rooms: Mapping[str, int]
    config: Path | None
    """Settings that name the engines; None where these are started here."""
    brokers: int = 1
    available: bool = False
    """Whether each engine that is started here has others that take over from it."""
    words: tuple[str, ...] = ()


class MemberReport(msgspec.Struct, frozen=True):
    """One server, for people and programs."""

    name: str
    room: str
    kind: str
    role: str
    """Of an engine: what it was when it had started."""
    address: str
    pid: int
    """Of its process now; 0 where it has ended."""
    lives: bool
    ready: bool
    reasons: list[str]
    port: int
    ops_port: int
    log: str


class Report(msgspec.Struct, frozen=True):
    """The whole cluster, as it is."""

    door: str
    """Address of the first balancer."""
    doors: list[str]
    """Of all."""
    members: list[MemberReport]
    """Engines, balancers, then rooms."""

    @property
    def whole(self) -> bool:
        """Whether all of it can do its work."""
        return all(member.ready for member in self.members)


class Cluster:
    """The cluster of a folder."""

    def __init__(self, folder: Path, say: Say, secret: Callable[[], bytes]) -> None:
        self._folder = Folder(folder)
        self._say, self._secret = say, secret

    # --- up ---------------------------------------------------------------------------------------------------------

    def up(self, wish: Wish, init: Callable[[Path], None]) -> State:
        """Start what does not run yet; returns when all of it is ready. ``init`` prepares engines by settings. What was
        started stays where something goes wrong: say ``up`` again, or ``down``."""
        with self._folder.locked():
            state = self._folder.load() if self._folder.exists else State(door=wish.door)
            self._settings(state, wish)
            self._folder.save(state)
            engines = Engines(self._folder, state)
            if wish.config is None:
                if not state.engines:
                    self._say("engines: starting (the first time this takes a while)")
                engines.start(wish.brokers, self._folder.path / CONFIG)
                self._folder.save(state)
            init(Path(state.config))
            for room, count in wish.rooms.items():
                self._start(state, room, count)
            self._balance(state)
            self._folder.save(state)
        return state

    def _settings(self, state: State, wish: Wish) -> None:
        if wish.config is None:
            state.config = str(self._folder.path / CONFIG)
        else:
            state.config = str(wish.config.absolute())
        if wish.available and not state.network:
            if state.engines:
                raise ClusterError(
                    "the engines that run are not in high availability: say `matchday cluster down` first"
                )
            state.network = network_of(self._folder.path)
        state.words, state.gates_max = wish.words, cluster_rooms.GATES_MAX
        key = self._folder.path / SECRET
        if not key.exists():
            key.touch(0o600)
            key.write_bytes(self._secret())

    def _start(self, state: State, room: str, count: int) -> list[Member]:
        """So many of a room at least, ready."""
        rooms = Rooms(self._folder, state)
        numbers = rooms.missing(room, count)
        former = {one.number: one for one in state.of(room)}
        state.rooms = [one for one in state.rooms if one.room != room or one.lives]
        new = []
        for number in numbers:
            self._say(f"{room}-{number}: starting")
            new.append(rooms.start(room, number, former.get(number)))
            state.rooms.append(new[-1])
            self._folder.save(state)
        rooms.wait_until_ready(new)
        return new

    def _balance(self, state: State) -> None:
        """The balancers, with all gates that live."""
        gates = [gate for gate in state.of("gate") if gate.lives]
        running = {one.number: one for one in state.balancers if one.lives}
        for number, address in enumerate(state.door_addresses):
            balancer = Balancer(self._folder.path, state.door, address, number)
            if number in running:
                balancer.know(gates)
            else:
                running[number] = balancer.start(gates)
        state.balancers = list(running.values())

    def _balancers(self, state: State) -> list[Balancer]:
        """Those that run."""
        running = [one for one in state.balancers if one.lives]
        return [Balancer(self._folder.path, state.door, one.address, one.number) for one in running]

    # --- scale --------------------------------------------------------------------------------------------------------

    def scale(self, wanted: Mapping[str, int]) -> State:
        """So many of each of these rooms; further ones are drained, the highest numbers first."""
        with self._folder.locked():
            state = self._folder.load()
            for room, count in wanted.items():
                living = [one for one in state.of(room) if one.lives]
                if len(living) > count:
                    for member in living[count:][::-1]:
                        self._drain(state, member)
                else:
                    self._start(state, room, count)
                    if room == "gate":
                        self._balance(state)
                self._folder.save(state)
        return state

    def _drain(self, state: State, member: Member) -> None:
        self._say(f"{member.name}: draining")
        balancers = self._balancers(state) if member.room == "gate" else []
        for balancer in balancers:
            balancer.drain(member.name)
        stop([member], self._say)
        state.rooms = [one for one in state.rooms if one is not member]
        for balancer in balancers:
            balancer.remove(member.name)
            balancer.write([gate for gate in state.of("gate") if gate.lives])

    # --- status, logs, down -------------------------------------------------------------------------------------------

    def report(self) -> Report:
        """All processes, whether they live, and whether they can do their work."""
        state = self._folder.load()
        members = [_reported(one, ready=one.lives) for one in state.engines]
        for one in state.balancers:
            balancer = Balancer(self._folder.path, state.door, one.address, one.number)
            seen = balancer.states() if one.lives else {}
            off = [f"{gate} is {status}" for gate, status in seen.items() if not status.startswith("UP")]
            members.append(_reported(one, ready=bool(seen) and not off, reasons=off))
        for room in ROOMS:
            for one in state.of(room):
                said = readiness(one) if one.lives else None
                reasons = ["its ops port does not answer"] if one.lives and said is None else []
                if said is not None:
                    reasons = [*said.reasons, *said.waits_for]
                members.append(_reported(one, ready=said is not None and said.whole, reasons=reasons))
        return Report(state.doors[0], state.doors, members)

    def logs(self, names: list[str], lines: int) -> Iterator[tuple[str, str]]:
        """(name, the end of what it wrote) of these processes, or of all."""
        state = self._folder.load()
        if unknown := set(names) - {one.name for one in state.members}:
            raise ClusterError(f"nothing here is called {', '.join(sorted(unknown))}; see `matchday cluster status`")
        for one in state.members:
            if not names or one.name in names:
                yield one.name, tail(Path(one.log), lines)

    def down(self) -> None:
        """Drain and end all of it: fans first, engines last. What the engines hold stays in the folder."""
        with self._folder.locked():
            state = self._folder.load()
            for room in reversed(ROOMS):
                if living := [one for one in state.of(room) if one.lives]:
                    self._say(f"{room}: draining {len(living)}")
                    stop(living, self._say)
            stop([one for one in state.balancers if one.lives], self._say)
            Engines(self._folder, state).stop()
            self._folder.forget()


def _reported(member: Member, *, ready: bool, reasons: list[str] | None = None) -> MemberReport:
    found = list(reasons or ()) if member.lives else ["its process has ended"]
    return MemberReport(
        member.name, member.room, member.kind, member.role, member.address, member.process, member.lives,
        ready and member.lives, found, member.port, member.ops_port, member.log,
    )  # fmt: skip
