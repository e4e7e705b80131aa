"""A crowd of bettors on one server: closed loop for what it can do, open loop for how long it takes."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec

from matchday.bench.bettors import Answered, Bettor
from matchday.bench.open_loop import Seen, at_rate
from matchday.bench.stopwatch import now_s

DRAIN_S_MAX: Final = 10.0
"""Seconds that the last answers are waited for."""
UNDER_WAY_SHARE: Final = 0.1
"""Of a closed loop's time, after which it is under way."""
KEEP_S: Final = 0.5
"""Seconds between two looks at whose connections were closed."""
BACKLOG_MAX: Final = 10_000
"""Bets that wait for a free bettor; beyond it they are not sent, and no latency is published."""
_POLL_S: Final = 0.005


class Saturated(msgspec.Struct):
    """What a closed loop came to."""

    rate: float
    """Accepted a second, from when it was under way until it was told to stop: neither beginning nor end counts, unless
    nothing was accepted in between."""
    accepted: int
    """All of them."""
    cpu_s: float
    """Of the server, for all of them."""
    answers: dict[str, int]

    @property
    def cpu_us(self) -> float:
        """Microseconds of the server's CPU per accepted bet."""
        return 1e6 * self.cpu_s / self.accepted if self.accepted else float("nan")


class Crowd:
    """Bettors and what becomes of their bets."""

    def __init__(self, cpu_s: Callable[[], float], connect: Callable[[int, Answered], Awaitable[Bettor]]) -> None:
        """``connect`` makes the bettor of a number."""
        self._cpu_s, self._connect = cpu_s, connect
        self._bettors: list[Bettor] = []
        self._hear: Answered = lambda *_: None

    @property
    def heard_bytes(self) -> int:
        """Of an answer, as the first bettor last heard it; 0 where none did."""
        return self._bettors[0].heard_bytes if self._bettors else 0

    def close(self) -> None:
        """All go."""
        for bettor in self._bettors:
            bettor.close()

    async def _ready(self, count: int) -> list[Bettor]:
        """So many that are connected: the first of all there are."""
        for n in range(count):
            if n == len(self._bettors):
                self._bettors.append(await self._connect(n, self._answered))
            elif self._bettors[n].gone:
                self._bettors[n].close()
                self._bettors[n] = await self._connect(n, self._answered)
        return self._bettors[:count]

    async def _keep_ready(self, bettors: list[Bettor]) -> None:
        """Again and again, until it is cancelled."""
        while True:
            await asyncio.sleep(KEEP_S)
            bettors[:] = await self._ready(len(bettors))

    def _answered(self, bettor: Bettor, kind: str, due: float) -> None:
        self._hear(bettor, kind, due)

    async def saturate(self, count: int, seconds: float, body: Callable[[], bytes]) -> Saturated:
        """So many bettors, each with one bet under way at any time."""
        answers: dict[str, int] = {}
        waiting, until, steady, since = count, 0.0, 0, 0.0
        late, ends = 0, 0.0

        def hear(bettor: Bettor, kind: str, _: float) -> None:
            nonlocal waiting, steady, late, ends
            answers[kind] = answers.get(kind, 0) + 1
            if (now := now_s()) < until and not bettor.gone:
                steady += kind == "accepted" and now >= since
                bettor.place(body(), 0.0)
            else:
                waiting -= 1
                late += kind == "accepted"
                ends = max(now, until)

        bettors, self._hear = await self._ready(count), hear
        began, cpu = now_s(), self._cpu_s()
        since, until = began + UNDER_WAY_SHARE * seconds, began + seconds
        for bettor in bettors:
            bettor.place(body(), 0.0)
        while waiting and now_s() < until + DRAIN_S_MAX:  # noqa: ASYNC110 - answers come by callback
            await asyncio.sleep(_POLL_S)
        # A disk that stood still all the time made the server slow, not dead: the time ends with what it answered then.
        rate = steady / (until - since) if steady or not late else late / (ends - since)
        return Saturated(rate, answers.get("accepted", 0), self._cpu_s() - cpu, answers)

    async def arrive(
        self, count: int, rate: float, seconds: float, body: Callable[[], bytes],
        over: Callable[[], bool] = lambda: False,
    ) -> Seen:  # fmt: skip
        """Bets at a rate, whatever becomes of them, by whoever of so many bettors is free. Where nobody is, a bet waits
        for the first who is, and its time is counted all the same. For so many seconds, or until it is ``over``."""
        seen, turn, bettors = Seen(), 0, await self._ready(count)
        backlog: deque[float] = deque(maxlen=BACKLOG_MAX)

        def hear(bettor: Bettor, kind: str, due: float) -> None:
            seen.answer(kind, now_s() - due)
            if backlog and bettor.free:
                bettor.place(body(), backlog.popleft())

        def send(due: float) -> bool:
            nonlocal turn
            for _ in bettors if not backlog else ():
                turn = (turn + 1) % len(bettors)
                if bettors[turn].free:
                    bettors[turn].place(body(), due)
                    return True
            if len(backlog) == BACKLOG_MAX:
                return False
            backlog.append(due)
            return True

        self._hear = hear
        keeping = asyncio.create_task(self._keep_ready(bettors))
        await at_rate(rate, seconds, send, seen, over)
        keeping.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await keeping
        until = now_s() + DRAIN_S_MAX
        while seen.answered < seen.sent and now_s() < until:  # noqa: ASYNC110 - answers come by callback
            await asyncio.sleep(_POLL_S)
        return seen
