"""``matchday drill roll``: a local cluster rolled under an open loop of bets, and what its fans were told."""

import argparse
import asyncio
import contextlib
import json
import shlex
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from decimal import Decimal
from http.client import HTTPException
from typing import Any, Final

import msgspec
from rich.console import Console
from rich.table import Table

from matchday.app import StartError
from matchday.backends.clock_wall import WallClock
from matchday.bench.bettors import CLOSED, STAKE, Answered, Bettor, body_maker, http_bettor
from matchday.bench.crowd import Crowd
from matchday.bench.figures import percentile
from matchday.bench.open_loop import Seen
from matchday.bench.server import Door
from matchday.bench.stopwatch import now_s
from matchday.model.ledger import Refusal
from matchday.ops.cluster_state import Folder
from matchday.ops.drill import DrillError
from matchday.output import write_json
from matchday.words import WordsError, within

BUSY: Final = "busy"
BUSY_SHARE_MAX: Final = 0.001
"""Of all answers."""
_BY_RULE: Final = frozenset(map(str, Refusal))
_OPEN: Final = frozenset({CLOSED, "pending"})
"""Answers after which a bet may have been accepted."""
_CONNECTIONS: Final = 4
"""Of each fan."""
_SECONDS_MAX: Final = 3_600.0
_LOOK_S: Final = 1.0
"""Between two looks at what is offered."""
_AFTER_S: Final = 2.0
"""Seconds of load after the roll."""
_LOAD_MAX: Final = 5_000
_FANS_MAX: Final = 60
"""Guests that one address may be in a minute."""


class RollDrill(msgspec.Struct, kw_only=True):
    """What was rolled, and what fans were told meanwhile."""

    load: float = 0.0
    """Bets a second, as asked for."""
    sent_per_second: float = 0.0
    seconds: float = 0.0
    sent: int = 0
    answers: dict[str, int] = {}
    """Answer -> how many."""
    accepted: int = 0
    refused_by_rule: int = 0
    busy: int = 0
    other: int = 0
    """Neither of these, those that were not answered included."""
    other_share: float = 0.0
    busy_share: float = 0.0
    accepted_p50_ms: float = 0.0
    accepted_p99_ms: float = 0.0
    accepted_max_ms: float = 0.0
    longest_gap_ms: float = 0.0
    """Between two accepted bets."""
    late_p99_ms: float = 0.0
    """By how much the generator itself was late."""
    fans: int = 0
    bets_lost: int = 0
    """Accepted, and not paid for by their fan."""
    bets_too_many: int = 0
    """Paid for, and neither accepted nor left open by a connection that broke or an answer that did not come."""
    rolled: bool = False
    roll: dict[str, Any] = {}
    """What `matchday cluster roll` said."""

    @property
    def good(self) -> bool:
        """Whether fans noticed nothing."""
        return self.rolled and self.busy_share < BUSY_SHARE_MAX and not (
            self.other or self.bets_lost or self.bets_too_many
        )  # fmt: skip


class _Fans:
    """Guests, and what each of them was told."""

    def __init__(self, host: str, port: int, count: int) -> None:
        self._server = Door(port, host)
        self.tokens = [self._server.guest() for _ in range(count)]
        self._had = [self._balance(token) for token in self.tokens]
        self.accepted, self.open = Counter[int](), Counter[int]()
        self.gap_s, self._last_s = 0.0, 0.0
        self._make: Callable[[], bytes] = bytes
        self.crowd = Crowd(lambda: 0.0, lambda n, answered: http_bettor(port, *self._bettor(n, answered), host))

    async def look(self, clock: WallClock) -> None:
        """See what can be backed, as a screen does: every fixture's first market."""
        legs = [leg for market in await asyncio.to_thread(self._server.first_markets) for leg in market]
        if legs:
            self._make = body_maker(legs, clock.new_id)

    async def keep_looking(self, clock: WallClock) -> None:
        """Again and again, until it is cancelled."""
        while True:
            await asyncio.sleep(_LOOK_S)
            with contextlib.suppress(StartError, OSError, HTTPException):
                await self.look(clock)

    def body(self) -> bytes:
        """Of a bet at what was last seen."""
        return self._make()

    def _bettor(self, n: int, answered: Answered) -> tuple[str, Answered]:
        fan = n % len(self.tokens)

        def heard(bettor: Bettor, kind: str, due: float) -> None:
            if kind == "accepted":
                self.accepted[fan] += 1
                now = now_s()
                self.gap_s = max(self.gap_s, now - (self._last_s or now))
                self._last_s = now
            elif kind in _OPEN:
                self.open[fan] += 1
            answered(bettor, kind, due)

        return self.tokens[fan], heard

    def wrong(self) -> tuple[int, int]:
        """(bets that were accepted and not paid for, those paid for that were not)."""
        lost = many = 0
        for fan, token in enumerate(self.tokens):
            paid = (self._had[fan] - self._balance(token)) / Decimal(STAKE)
            lost += max(0, self.accepted[fan] - int(paid))
            many += max(0, int(paid) - self.accepted[fan] - self.open[fan])
        return lost, many

    def _balance(self, token: str) -> Decimal:
        return Decimal(self._server.ask("GET", "/api/account", token=token)["balance"])


def drill_roll(options: argparse.Namespace) -> int:
    """The exit status."""
    within(options, load=(1, _LOAD_MAX))
    if not 1 <= options.fans <= _FANS_MAX:
        raise WordsError(f"--fans {options.fans} is outside 1 to {_FANS_MAX}, the guests of one address in a minute")
    state = Folder(options.state).load()
    try:
        fans = _Fans(state.door_addresses[0], state.door, options.fans)
        words = [*options.rooms, *shlex.split(options.words), "--state", str(options.state), "--json"]
        with asyncio.Runner() as runner:
            report = runner.run(hold(fans, options.load, options.before, words))
    except (StartError, OSError) as error:
        raise DrillError(f"the cluster does not serve: {error}; see `matchday cluster status`") from error
    if options.json:
        write_json(report)
    else:
        _print(report)
    return 0 if report.good else 1


async def hold(fans: _Fans, load: float, before_s: float, words: Sequence[str]) -> RollDrill:
    """Bets at a rate, and a roll in the middle of them."""
    clock, over = WallClock(asyncio.get_running_loop()), asyncio.Event()
    await fans.look(clock)
    began, connections = now_s(), _CONNECTIONS * len(fans.tokens)
    looking = asyncio.create_task(fans.keep_looking(clock))
    betting = asyncio.create_task(fans.crowd.arrive(connections, load, _SECONDS_MAX, fans.body, over.is_set))
    await asyncio.sleep(before_s)
    status, said = await _rolled(words)
    await asyncio.sleep(_AFTER_S)
    over.set()
    seconds = now_s() - began
    seen = await betting
    looking.cancel()
    fans.crowd.close()
    report = _report(seen, load, seconds)
    report.fans, report.longest_gap_ms = len(fans.tokens), round(1e3 * fans.gap_s, 1)
    report.bets_lost, report.bets_too_many = await asyncio.to_thread(fans.wrong)
    report.rolled, report.roll = status == 0, said
    return report


async def _rolled(words: Sequence[str]) -> tuple[int, dict[str, Any]]:
    """The command, in a process of its own."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "matchday", "cluster", "roll", *words, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    return process.returncode or 0, json.loads(out) if out else {}


def _report(seen: Seen, load: float, seconds: float) -> RollDrill:
    answers = {kind: len(times) for kind, times in sorted(seen.times_ms.items())}
    accepted, busy = answers.get("accepted", 0), answers.get(BUSY, 0)
    by_rule = sum(count for kind, count in answers.items() if kind in _BY_RULE)
    other = seen.sent - accepted - busy - by_rule
    times = seen.times_ms.get("accepted", [0.0])
    return RollDrill(
        load=load, sent_per_second=round(seen.sent / seconds, 1), seconds=round(seconds, 1), sent=seen.sent,
        answers=answers, accepted=accepted, refused_by_rule=by_rule, busy=busy, other=other,
        other_share=other / max(1, seen.sent), busy_share=busy / max(1, seen.sent),
        accepted_p50_ms=round(percentile(times, 0.5), 1), accepted_p99_ms=round(percentile(times, 0.99), 1),
        accepted_max_ms=round(max(times), 1), late_p99_ms=round(seen.lag_p99_ms, 1),
    )  # fmt: skip


def _print(report: RollDrill) -> None:
    table = Table(title="Roll under load", show_header=False, title_justify="left")
    for name, value in msgspec.structs.asdict(report).items():
        if name == "roll":
            continue
        text = ", ".join(f"{key} {count}" for key, count in value.items()) if isinstance(value, dict) else str(value)
        table.add_row(name.replace("_", " "), text)
    Console().print(table)
