"""What the caches on servers share: a thread that sends all that was asked as one round trip, and goes on without the
server while that does not answer."""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from matchday.backends.writer import Post
from matchday.ports import Clock

KEY_CHARS_MAX: Final = 200
VALUE_BYTES_MAX: Final = 100_000
WAITING_MAX: Final = 10_000
"""Things asked that wait for the server; of more, the oldest are answered as if it were away."""
AWAY_MS: Final = 1_000
"""Milliseconds after a failure in which the server is not asked again."""

Sums = Callable[[Sequence[int]], None]
Values = Callable[[Sequence[bytes | None]], None]


class Ask:
    """One thing that was asked, as the server's adapter answers it."""

    def __init__(self, kind: str, keys: Sequence[str], *, value: bytes = b"", amounts: Sequence[int] = (),
                 ttl_ms: int = 0, tell: Callable[[Sequence[object]], None] | None = None) -> None:  # fmt: skip
        self.kind, self.keys, self.value, self.amounts, self.ttl_ms = kind, keys, value, amounts, ttl_ms
        self.tell = tell

    def nothing(self) -> Sequence[object]:
        """The answer of a cache that is away."""
        return list(self.amounts) if self.kind == "count" else [None] * len(self.keys)


class Server(Protocol):
    """A cache's server. Whatever a call raises counts as its being away."""

    def round_trip(self, asks: Sequence[Ask]) -> Sequence[Sequence[object]]:
        """Do all of it; an answer each (none to ``put`` and ``forget``)."""

    def close(self) -> None:
        """Give up its connection."""


class CacheDriver:
    """See ``Cache``: over a server, on a thread of its own."""

    def __init__(self, server: Server, clock: Clock, post: Post) -> None:
        self._server, self._clock, self._post = server, clock, post
        self._waiting: deque[Ask] = deque(maxlen=WAITING_MAX)
        self._changed = threading.Condition()
        self._closing = False
        self._away_until_ms = 0
        self.failures = 0
        """Round trips that failed."""
        self._thread = threading.Thread(target=self._run, name="cache", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Send what waits, then end the thread."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join()
        self._server.close()

    @property
    def away(self) -> bool:
        """Whether the server did not answer lately."""
        return self._clock.elapsed_ms() < self._away_until_ms

    def get(self, keys: Sequence[str], done: Values) -> None:
        """See ``Cache.get``."""
        self._ask(Ask("get", checked(keys), tell=done))  # type: ignore[arg-type]

    def put(self, key: str, value: bytes, ttl_ms: int) -> None:
        """See ``Cache.put``."""
        self._ask(Ask("put", checked([key], value), value=value, ttl_ms=ttl_ms))

    def forget(self, keys: Sequence[str]) -> None:
        """See ``Cache.forget``."""
        self._ask(Ask("forget", checked(keys)))

    def count(self, counts: Sequence[tuple[str, int]], ttl_ms: int, done: Sums) -> None:
        """See ``Cache.count``."""
        keys, amounts = checked([key for key, _ in counts]), [amount for _, amount in counts]
        self._ask(Ask("count", keys, amounts=amounts, ttl_ms=ttl_ms, tell=done))  # type: ignore[arg-type]

    def _ask(self, ask: Ask) -> None:
        if self.away:
            self._answer(ask, ask.nothing())
            return
        with self._changed:
            left_out = self._waiting[0] if len(self._waiting) == WAITING_MAX else None
            self._waiting.append(ask)
            self._changed.notify()
        if left_out is not None:
            self._answer(left_out, left_out.nothing())

    def _answer(self, ask: Ask, found: Sequence[object]) -> None:
        """Later, on the room's thread: no port calls back from inside the call that was made to it."""
        if (tell := ask.tell) is not None:
            self._clock.call_later(0, lambda: tell(found))

    def _run(self) -> None:
        while True:
            with self._changed:
                while not (self._waiting or self._closing):
                    self._changed.wait()
                asks = list(self._waiting)
                self._waiting.clear()
            if not asks:
                return
            self._hand_over(asks)

    def _hand_over(self, asks: Sequence[Ask]) -> None:
        failed = False
        try:
            answers = self._server.round_trip(asks)
        except Exception:  # noqa: BLE001 - whatever it is, there is no cache now, and nothing depends on it
            failed, answers = True, [ask.nothing() for ask in asks]

        def told() -> None:
            if failed:
                self.failures += 1
                self._away_until_ms = self._clock.elapsed_ms() + AWAY_MS
            for ask, answer in zip(asks, answers, strict=True):
                if ask.tell is not None:
                    ask.tell(answer)

        try:
            self._post(told)
        except RuntimeError:  # the loop is closed: nobody is left to be told
            return


def checked(keys: Sequence[str], value: bytes = b"") -> list[str]:
    """The keys, if every kind of server can have them, and a value under them."""
    if len(value) > VALUE_BYTES_MAX:
        raise ValueError(f"value of {keys[0]}: {len(value)} bytes, at most {VALUE_BYTES_MAX}")
    for key in keys:
        if not (0 < len(key) <= KEY_CHARS_MAX and key.isascii() and key.isprintable() and " " not in key):
            raise ValueError(f"key {key[:40]!r}: {KEY_CHARS_MAX} characters of ASCII without spaces at most")
    return list(keys)
