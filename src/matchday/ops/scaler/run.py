"""The autoscaler: look, foresee, decide, act, write down; one round after the other."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from matchday.ops.capacity import Capacity, doubts, fewest
from matchday.ops.scaler.act.port import Actuator, Count
from matchday.ops.scaler.core import Amount, Core, Decision, Hold, Situation
from matchday.ops.scaler.explain import explained
from matchday.ops.scaler.foresight import Ahead, Foresight
from matchday.ops.scaler.hands import Hands
from matchday.ops.scaler.history import History, Minutes
from matchday.ops.scaler.journal import Journal, Line
from matchday.ops.scaler.loads import Source
from matchday.ops.scaler.risk import Risk
from matchday.ops.scaler.seen import Figures, SeenError, Shown
from matchday.ops.scaler.settings import MACHINES, Settings
from matchday.ops.scaler.shadow import Thought
from matchday.ops.scaler.sizes import CORES, Size, amounts_ahead, amounts_seen, machine_boot
from matchday.ops.scaler.when import Jumps, Time, said, stamp

_WHOLE_SECOND_MS: Final = 1_000
"""Of a clock that shows no finer."""


class Matches(Protocol):
    """Somebody who shows what is being played."""

    def read(self) -> Shown:
        """All matches. SeenError where nobody says."""


@dataclass(frozen=True)
class Parts:
    """What an autoscaler is put together of."""

    settings: Settings
    model: Capacity
    sizes: Mapping[str, Size]
    time: Time
    source: Source
    matches: Matches | None
    histories: Mapping[str, History]
    foresight: Foresight | None
    actuators: Mapping[str, Actuator]
    journal: Journal


@dataclass(frozen=True)
class Look:
    """What a round knows."""

    minute: int
    loads: Mapping[str, float]
    processes: Mapping[str, int]
    ahead: Ahead | None
    holds: Sequence[Hold]
    doubts: Sequence[str]


class Scaler:
    """Decides for all targets."""

    def __init__(self, parts: Parts, say: Callable[[str], None]) -> None:
        settings = parts.settings
        self._parts, self._say = parts, say
        self._cores = {room: Core(bounds.rule()) for room, bounds in settings.rooms.items()}
        if settings.machines is not None:
            self._cores[MACHINES] = Core(settings.machines.rule())
        self._hands = Hands(settings.act, parts.actuators, parts.time.real_elapsed_ms)
        self._jumps = Jumps(parts.time, settings.clock.skew_ms_max)
        boot_s = max(size.boot_s for size in parts.sizes.values())
        self._risk = Risk(settings.matches, parts.time, boot_s * 1_000)
        self._minutes = Minutes()
        self._thoughts: dict[str, Thought] = {}
        self._said: dict[str, object] = {}
        self.processes: Mapping[str, int] = {}
        """Room -> processes that answered at the last look."""

    def round(self) -> list[Line]:
        """One decision for each target, carried out where the mode allows."""
        look = self._look()
        lines, needed = [], dict[str, int]()
        for room, size in self._parts.sizes.items():
            line, made = self._room(room, size, look)
            lines.append(line)
            needed[room] = max(made.wanted or 0, made.asked or 0)
        if self._parts.settings.machines is not None:
            lines.append(self._machines(look, needed))
        for line in lines:
            if (problem := self._parts.journal.add(line)) is not None:
                self._once("journal", problem)
        return lines

    # --- look ---------------------------------------------------------------------------------------------------------

    def _look(self) -> Look:
        parts, found = self._parts, list(doubts(self._parts.model))
        jumped = self._jumps.doubt()
        found += [jumped] if jumped else []
        figures = self._figures(found)
        self.processes = figures.processes
        matches = self._matches(found)
        minute = parts.time.minute()
        self._record(minute, figures.loads)
        ahead = parts.foresight.look(minute) if parts.foresight is not None else None
        holds = [*matches, *(ahead.holds if ahead else ())]
        found += ahead.doubts if ahead else ()
        if parts.foresight is not None:
            for finding in parts.foresight.findings:
                self._once(finding, finding)
        return Look(minute, figures.loads, figures.processes, ahead, holds, tuple(dict.fromkeys(found)))

    def _figures(self, found: list[str]) -> Figures:
        """What is seen and can be believed; what cannot is added to the doubts."""
        now = self._parts.time.real_ms()
        try:
            figures = self._parts.source.read()
        except SeenError as error:
            found.append(f"load is not seen: {error}")
            return Figures(now, {}, {})
        ahead_ms, settings = figures.at_ms - self._parts.time.real_ms(), self._parts.settings
        if ahead_ms > settings.clock.skew_ms_max:
            found.append(f"clocks disagree: figures are of {ahead_ms / 1_000:.1f} s from now")
        elif -ahead_ms > settings.loads.stale_s * 1_000:
            found.append(f"figures are {-ahead_ms / 1_000:.0f} s old")
            return Figures(now, {}, figures.processes)
        if figures.missing:
            found.append(f"{', '.join(figures.missing)} does not answer")
        return figures

    def _matches(self, found: list[str]) -> list[Hold]:
        if self._parts.matches is None:
            return []
        try:
            shown = self._parts.matches.read()
        except SeenError as error:
            found.append(f"what is being played is not seen: {error}")
            return []
        off_ms = shown.at_ms - self._parts.time.real_ms()
        if abs(off_ms) > self._parts.settings.clock.skew_ms_max + _WHOLE_SECOND_MS:
            found.append(f"clocks disagree: the platform's is {off_ms / 1_000:+.0f} s off ours")
        return self._risk.holds(shown.matches)

    def _record(self, minute: int, loads: Mapping[str, float]) -> None:
        over = self._minutes.add(minute, loads)
        if over is None:
            return
        at, counts = over
        for load, history in self._parts.histories.items():
            if load in counts:
                try:
                    history.put(at, counts[load])
                except OSError as error:
                    self._once(f"history of {load}", f"history of {load} cannot be kept: {error.strerror}")

    # --- decide, act --------------------------------------------------------------------------------------------------

    def _room(self, room: str, size: Size, look: Look) -> tuple[Line, Decision]:
        missing = [f"{load} is not seen" for load in size.carries if load not in look.loads]
        seen = amounts_seen(size, look.loads)
        ahead = amounts_ahead(size, look.ahead.needs, look.minute, size.boot) if look.ahead else []
        full = max((fewest(amount.value, amount.per_process) for amount in seen), default=0)
        return self._decided(room, look, seen, ahead, missing, (size.boot, full))

    def _machines(self, look: Look, needed: Mapping[str, int]) -> Line:
        machines = self._parts.settings.machines
        assert machines is not None
        boot, sizes = machine_boot(self._parts.settings, self._parts.sizes), self._parts.sizes
        cores = sum(count * sizes[room].cores for room, count in needed.items())
        ahead, at = [], ""
        if look.ahead:
            later = 0.0
            for room, size in sizes.items():
                amounts = amounts_ahead(size, look.ahead.needs, look.minute, boot)
                most = max(amounts, key=lambda one: one.value / one.per_process, default=None)
                bounds = self._parts.settings.rooms[room]
                wanted = fewest(most.value, most.per_process) if most else 0
                later += min(max(wanted, bounds.floor), bounds.ceiling) * size.cores
                at = most.at if most else at
            ahead = [Amount(CORES, later, machines.cores, at or said(look.minute + boot))]
        seen = [Amount(CORES, cores, machines.cores)]
        return self._decided(MACHINES, look, seen, ahead, [], (boot, fewest(cores, machines.cores)))[0]

    def _decided(
        self, target: str, look: Look, seen: list[Amount], ahead: list[Amount], missing: list[str],
        shadow: tuple[int, int],
    ) -> tuple[Line, Decision]:  # fmt: skip
        """``shadow``: minutes of a boot, and the fewest that would carry what is seen."""
        found = [*look.doubts, *missing]
        there = self._there(target, look)
        if isinstance(there, str):
            found.append(there)
        count = there if isinstance(there, Count) else None
        thought = self._thought(target, count, look.minute, shadow)
        if thought is not None:
            count = thought.count
        asked, ready = (None, None) if count is None else count
        situation = Situation(asked, ready, seen, ahead, look.holds, found)
        made = self._cores[target].decide(self._parts.time.elapsed_s(), situation)
        acted = self._act(target, made, thought)
        line = self._line(target, made, look, ahead, acted, thought)
        shown = (made.wanted, made.why, tuple(made.doubts), acted.partition(":")[0])
        self._once(target, line.line + (f" ({acted})" if acted else ""), shown)
        return line, made

    def _there(self, target: str, look: Look) -> Count | str:
        if target not in self._parts.actuators and target in look.processes:
            return Count(look.processes[target], look.processes[target])
        return self._hands.count(target)

    def _thought(self, target: str, there: Count | None, minute: int, shadow: tuple[int, int]) -> Thought | None:
        if self._parts.settings.mode != "shadow" or there is None:
            return None
        boot, needed = shadow
        thought = self._thoughts.setdefault(target, Thought(boot, there, minute))
        thought.turn(minute, there, needed)
        return thought

    def _act(self, target: str, made: Decision, thought: Thought | None) -> str:
        acting = self._parts.settings.mode == "act"
        if thought is not None:
            if made.wanted is not None:
                thought.ask(made.wanted)
            return ""
        if self._parts.settings.act.where == "keda" and target != MACHINES:
            self._hands.tell(target, made, acting=acting)
            return "done" if acting and made.change else ""
        return self._hands.act(target, made) if acting else ""

    def _line(
        self, target: str, made: Decision, look: Look, ahead: Sequence[Amount], acted: str, thought: Thought | None
    ) -> Line:
        time, amount = self._parts.time, made.amount
        real = time.real_ms()
        return Line(
            at=stamp(real), shown=stamp(time.of(real)), target=target, mode=self._parts.settings.mode,
            line=explained(target, made), asked=made.asked, ready=made.ready, wish=made.wish, wanted=made.wanted,
            why=made.why.value, source=made.source.value, load=amount.load if amount else "",
            value=round(amount.value, 3) if amount else 0.0, per_process=amount.per_process if amount else 0.0,
            loads={load: round(value, 3) for load, value in look.loads.items()},
            expected={one.load: round(one.value, 3) for one in ahead}, doubts=list(made.doubts),
            until=made.hold.until if made.hold else "", acted=acted,
            compared=thought.so_far if thought is not None else None,
        )  # fmt: skip

    def _once(self, of: str, text: str, key: object = None) -> None:
        """Say it where it is new."""
        found = text if key is None else key
        if self._said.get(of) != found:
            self._said[of] = found
            self._say(text)
