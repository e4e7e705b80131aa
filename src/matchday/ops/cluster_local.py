"""A cluster on one machine: rooms as processes behind HAProxy, over engines that are named or started here.

For development and tests: whatever ends unasked stays away until ``up`` is said again, all is on one machine, and
nobody promotes a standby. Production has a scheduler that starts the same ``matchday run`` (docs/operating.md).
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

import msgspec

from matchday.ops import cluster_rooms
from matchday.ops.cluster_balancer import Balancer
from matchday.ops.cluster_engines import Engines
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
    words: tuple[str, ...] = ()


class MemberReport(msgspec.Struct, frozen=True):
    """One process, for people and programs."""

    name: str
    room: str
    pid: int
    lives: bool
    ready: bool
    reasons: list[str]
    port: int
    ops_port: int
    log: str


class Report(msgspec.Struct, frozen=True):
    """The whole cluster, as it is."""

    door: str
    members: list[MemberReport]
    """Engines, the balancer, then rooms."""

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
        state.words, state.gates_max = wish.words, cluster_rooms.GATES_MAX
        key = self._folder.path / SECRET
        if not key.exists():
            key.touch(0o600)
            key.write_bytes(self._secret())

    def _start(self, state: State, room: str, count: int) -> list[Member]:
        """So many of a room at least, ready."""
        rooms = Rooms(self._folder, state)
        numbers = rooms.missing(room, count)
        state.rooms = [one for one in state.rooms if one.room != room or one.lives]
        new = []
        for number in numbers:
            self._say(f"{room}-{number}: starting")
            new.append(rooms.start(room, number))
            state.rooms.append(new[-1])
            self._folder.save(state)
        rooms.wait_until_ready(new)
        return new

    def _balance(self, state: State) -> None:
        """The balancer, with all gates that live."""
        gates = [gate for gate in state.of("gate") if gate.lives]
        balancer = Balancer(self._folder.path, state.door)
        if state.balancer is None or not state.balancer.lives:
            state.balancer = balancer.start(gates)
            return
        known = balancer.states()
        for gate in gates:
            if gate.name not in known:
                balancer.add(gate)
        balancer.write(gates)

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
        balanced = member.room == "gate" and state.balancer is not None and state.balancer.lives
        balancer = Balancer(self._folder.path, state.door)
        if balanced:
            balancer.drain(member.name)
        stop([member], self._say)
        state.rooms = [one for one in state.rooms if one is not member]
        if balanced:
            balancer.remove(member.name)
            balancer.write([gate for gate in state.of("gate") if gate.lives])

    def state(self) -> State:
        """What it consists of. ClusterError where there is none."""
        return self._folder.load()

    # --- status, logs, down -------------------------------------------------------------------------------------------

    def report(self) -> Report:
        """All processes, whether they live, and whether they can do their work."""
        state = self._folder.load()
        balancer = Balancer(self._folder.path, state.door)
        members = [_reported(one, ready=one.lives) for one in state.engines]
        if state.balancer is not None:
            seen = balancer.states() if state.balancer.lives else {}
            off = [f"{gate} is {status}" for gate, status in seen.items() if not status.startswith("UP")]
            members.append(_reported(state.balancer, ready=bool(seen) and not off, reasons=off))
        for room in ROOMS:
            for one in state.of(room):
                said = readiness(one) if one.lives else None
                reasons = said.reasons if said else ["its ops port does not answer"] if one.lives else []
                members.append(_reported(one, ready=said is not None and said.ready, reasons=reasons))
        return Report(f"http://127.0.0.1:{state.door}", members)

    def logs(self, names: list[str], lines: int) -> Iterator[tuple[str, str]]:
        """(name, the end of what it wrote) of these processes, or of all."""
        state = self._folder.load()
        every = [*state.engines, *([state.balancer] if state.balancer else []), *state.rooms]
        if unknown := set(names) - {one.name for one in every}:
            raise ClusterError(f"nothing here is called {', '.join(sorted(unknown))}; see `matchday cluster status`")
        for one in every:
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
            if state.balancer is not None and state.balancer.lives:
                stop([state.balancer], self._say)
            Engines(self._folder, state).stop()
            self._folder.forget()


def _reported(member: Member, *, ready: bool, reasons: list[str] | None = None) -> MemberReport:
    found = list(reasons or ()) if member.lives else ["its process has ended"]
    return MemberReport(
        member.name, member.room, member.pid, member.lives, ready and member.lives, found, member.port,
        member.ops_port, member.log,
    )  # fmt: skip
