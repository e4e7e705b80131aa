"""Tapping: the door of taps on the WebSocket. Thin: reads the words, asks the room, answers."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Final, Protocol

import msgspec
from msgspec import UNSET, Meta, UnsetType

from matchday.edge.problems import Problem, ProblemDetails, of_moment
from matchday.model.ledger import Moment
from matchday.model.taps import TARGET_CHARS_MAX, Tap

TAPS_MAX: Final = 50
"""Taps of one message."""
_Number = Annotated[int, Meta(ge=1, le=2**53 - 1)]
_Ago = Annotated[int, Meta(ge=0, le=86_400_000)]
_Name = Annotated[str, Meta(min_length=1, max_length=64)]


class TapsRoom(Protocol):
    """The taps room, as this door sees it."""

    def take(
        self, account: str, screen: str, first: int, taps: Sequence[Tap], done: Callable[[Moment | None], None]
    ) -> None:
        """Put them on the log."""


class TapWords(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """One tap, as a client says it."""

    kind: Annotated[str, Meta(min_length=1, max_length=16)]
    target: Annotated[str, Meta(max_length=TARGET_CHARS_MAX)]
    ago_ms: _Ago


class TapsWords(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="op", tag="taps"):
    """Taps of a screen, one after the other."""

    screen: _Name
    first: _Number
    taps: Annotated[tuple[TapWords, ...], Meta(min_length=1, max_length=TAPS_MAX)]


class TappedFrame(msgspec.Struct, frozen=True, tag_field="t", tag="tapped"):
    """What became of a message of taps: up to ``to`` they are on the log, or a problem says why not."""

    screen: str
    to: int
    problem: ProblemDetails | UnsetType = UNSET
    retry_after_s: int | UnsetType = UNSET


class Tapping:
    """The door."""

    shape = TapsWords
    """How a client says it on the socket."""

    def __init__(self, room: TapsRoom) -> None:
        self._room = room

    def said(self, account: str | None, words: TapsWords, tell: Callable[[TappedFrame], None]) -> None:
        """A client says what was tapped; ``tell`` is called with what it is to hear."""
        to = words.first + len(words.taps) - 1
        if account is None:
            problem = Problem("not_signed_in", "taps are a fan's; send op auth with a token first")
            tell(TappedFrame(words.screen, words.first - 1, problem.details))
            return

        def done(moment: Moment | None) -> None:
            if moment is None:
                tell(TappedFrame(words.screen, to))
            else:
                problem = of_moment(moment)
                tell(TappedFrame(words.screen, words.first - 1, problem.details, problem.retry_after_s or UNSET))

        taps = [msgspec.convert((tap.kind, tap.target, tap.ago_ms), Tap) for tap in words.taps]
        self._room.take(account, words.screen, words.first, taps, done)

    def unreadable(self, payload: bytes, error: Exception, *, binary: bool) -> Any:  # noqa: ARG002 - the room's own answer
        """Taps that cannot be read are answered as any other word: with an error."""
        return None
