"""Fans of the real command: guests with money, and the crowd that bets by whichever door takes bets."""

from collections.abc import Callable, Sequence
from typing import Protocol

from matchday.app import StartError
from matchday.bench.bettors import http_bettor, socket_bettor
from matchday.bench.crowd import Crowd
from matchday.bench.run import Run
from matchday.bench.server import Door


def guests(run: Run, server: Door, count: int) -> list[str]:
    """Tokens of so many new fans."""
    found = []
    for n in range(count):
        found.append(server.guest())
        run.progress("guests", n + 1, count)
    return found


class Measured(Protocol):
    """Where fans go, and whose CPU is counted."""

    port: int

    def cpu_s(self) -> float:
        """CPU seconds used so far."""


def crowds_of(server: Measured, tokens: Sequence[str]) -> dict[str, Crowd]:
    """By door."""
    port = server.port
    return {
        "WebSocket": Crowd(server.cpu_s, lambda n, answered: socket_bettor(port, tokens[n], answered)),
        "HTTP": Crowd(server.cpu_s, lambda n, answered: http_bettor(port, tokens[n], answered)),
    }


async def refusing(crowds: dict[str, Crowd], body: Callable[[], bytes]) -> dict[str, str]:
    """Doors through which no bet is accepted, and what they say instead."""
    found = {}
    for door, crowd in crowds.items():
        tried = await crowd.saturate(1, 0.01, body)
        if not tried.accepted:
            found[door] = f"a bet over it is answered {', '.join(tried.answers) or 'nothing'}"
    return found


async def best(crowds: dict[str, Crowd], body: Callable[[], bytes]) -> tuple[str, Crowd]:
    """The first door that takes bets. StartError where none does."""
    unknown = await refusing(crowds, body)
    for door, crowd in crowds.items():
        if door not in unknown:
            return door, crowd
    raise StartError(f"the measured server takes no bets: {unknown}")
