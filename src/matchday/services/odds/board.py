"""The scoreboard that travels with a book."""

from collections.abc import Callable

from matchday.model.football import RUNNING, Period, Team
from matchday.model.messages import Board, FixtureSnapshot, FixtureStatus


def board_of(snapshot: FixtureSnapshot, speed: float) -> Board:
    """What the scoreboard of a fixture shows. ``speed``: match seconds a second."""
    scheduled, state = snapshot.scheduled, snapshot.state
    live = snapshot.status == FixtureStatus.LIVE
    half = state.period not in (Period.PRE, Period.FIRST)
    shoot_out = state.period == Period.SHOOT_OUT or state.home.shoot_out or state.away.shoot_out

    def both(count: Callable[[Team], int]) -> tuple[int, int]:
        return count(state.home), count(state.away)

    return Board(
        fixture=scheduled.fixture,
        competition=scheduled.competition,
        home=scheduled.home,
        away=scheduled.away,
        kickoff_ms=scheduled.kickoff_ms,
        status=snapshot.status,
        period=state.period,
        clock_s=state.clock_s,
        clock_at_ms=snapshot.at_ms,
        clock_rate=speed if live and state.period in RUNNING else 0.0,
        score=state.score,
        half_time=both(lambda team: team.first_half) if half else None,
        shoot_out=both(lambda team: team.shoot_out) if shoot_out else None,
        red=both(lambda team: team.red),
        corners=both(lambda team: team.corners),
        source=scheduled.source,
    )
