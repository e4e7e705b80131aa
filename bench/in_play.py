"""How good the in-play forecast is: log-loss of the match result by minute, on recorded matches, one prior for all.

    python bench/in_play.py [FOLDER] [--json] [--plot FILE.svg]

On every match of the folder, at every minute until the final whistle of regular time, four forecasts of home, draw and
away are scored against what it came to:

* model: the one that prices the books (``pricing.to_come``);
* frozen: what the model said before kick-off;
* linear: the model with (90 - t) / 90 as the share of goals to come, at least ``LINEAR_LEAST``;
* kinder: the same, at least ``KINDER_LEAST``.

All start from ``calibrate.PRIOR``. No parameter of any was fitted to these matches, and none is here. The intervals are
a bootstrap over whole matches (minutes of one match hang together), from a fixed seed.
"""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from matchday.feeds.wyscout import Match, load
from matchday.model.football import FootballState, Period, advance
from matchday.model.market import MarketKey
from matchday.pricing.calibrate import PRIOR
from matchday.pricing.football import probabilities
from matchday.pricing.to_come import GOALS_MAX, PENALTY_SCORED, goals_to_come, share_to_come

sys.path.insert(0, str(Path(__file__).parent))
from in_play_chart import chart

Floats = NDArray[np.float64]
DATA: Final = Path(__file__).parents[2] / "shared" / "data" / "football-wyscout"
LINEAR_LEAST: Final = 1 / 1000
"""Instead of the nothing that the linear clock comes to at 90': with that, one goal more would be an endless loss."""
KINDER_LEAST: Final = 1 / 90
"""A minute's worth, for as long as the match goes on: a linear clock whose owner has thought of stoppage time."""
LEAST: Final = 1e-12
"""Probability below which a forecast is not punished further; no forecast here comes near it."""
NAMES: Final = ("model", "frozen", "linear", "kinder")
RESAMPLES: Final = 10_000
SEED: Final = 1
LATE: Final = 60
"""The minute from which the last half hour counts."""
QUARTERS: Final = (0, 15, 30, 45, 60, 75, 90, 200)
BINS: Final = 10
_AHEAD: Final = np.subtract.outer(np.arange(GOALS_MAX + 1), np.arange(GOALS_MAX + 1))


class Scored(NamedTuple):
    """One match: at each of its minutes the forecasts, and what it came to (0 home, 1 draw, 2 away)."""

    minutes: NDArray[np.int64]
    forecasts: Floats
    """Forecasts x minutes x outcomes."""
    outcome: int

    @property
    def losses(self) -> Floats:
        """Forecasts x minutes."""
        return np.asarray(-np.log(np.maximum(self.forecasts[:, :, self.outcome], LEAST)))


def result(state: FootballState, share: float) -> Floats:
    """Home, draw and away where so much of the goals is still to come."""
    grid = goals_to_come(PRIOR, state, share)
    lead = state.home.regular - state.away.regular

    def at(lead: int) -> Floats:
        final = _AHEAD + lead
        return np.array([grid[final > 0].sum(), grid[final == 0].sum(), grid[final < 0].sum()])

    if state.penalty is None:
        return at(lead)
    scored = lead + (1 if state.penalty == "home" else -1)
    return PENALTY_SCORED * at(scored) + (1 - PENALTY_SCORED) * at(lead)


def moments(match: Match) -> list[tuple[int, FootballState, int]]:
    """(minute, state, seconds into the period) at each full minute of play: 45 of the first half and all of the second;
    the first half's stoppage time has no minute of its own."""
    found: list[tuple[int, FootballState, int]] = []
    state = FootballState()
    for _, type_, side, clock_s in match.incidents:
        base = {Period.FIRST: 0, Period.SECOND: 45}.get(state.period)
        if base is not None:
            done = 60 * (found[-1][0] + 1 - base) if found else 0
            last_s = min(clock_s, 45 * 60) if base == 0 else clock_s
            found += [(base + second // 60, state, second) for second in range(done, last_s, 60)]
        state = advance(state, type_, side, clock_s)
    return found


def scored(match: Match) -> Scored:
    """A match's forecasts, minute by minute."""
    rows = moments(match)
    state = FootballState()
    for _, type_, side, clock_s in match.incidents:
        state = advance(state, type_, side, clock_s)
    home, away = state.regular_score
    frozen = result(FootballState(), 1.0)
    model = [result(state, share_to_come(state.period, clock_s)) for _, state, clock_s in rows]
    linear, kinder = (
        [result(state, max((90 - minute) / 90, least)) for minute, state, _ in rows]
        for least in (LINEAR_LEAST, KINDER_LEAST)
    )
    forecasts = np.array([model, [frozen] * len(rows), linear, kinder])
    return Scored(np.array([minute for minute, *_ in rows]), forecasts, 0 if home > away else 1 if home == away else 2)


def check_model(match: Match) -> None:
    """The model scored here is the one that prices the books."""
    for _, state, clock_s in moments(match)[::7]:
        priced = probabilities(PRIOR, state, clock_s)[MarketKey("1x2")]
        assert np.allclose(result(state, share_to_come(state.period, clock_s)), priced, atol=1e-9), state


def interval(per_match: Floats) -> dict[str, float]:
    """A mean over matches with its bootstrap interval of 95 %."""
    chance = np.random.default_rng(SEED)
    drawn = per_match[chance.integers(0, len(per_match), (RESAMPLES, len(per_match)))].mean(axis=1)
    low, high = np.quantile(drawn, (0.025, 0.975))
    return {"mean": float(per_match.mean()), "low": float(low), "high": float(high)}


def compared(matches: Sequence[Scored], wanted: Callable[[NDArray[np.int64]], NDArray[np.bool_]]) -> dict[str, Any]:
    """Mean log-loss of each forecast over some minutes, every match alike, and the model's difference to the others."""
    means = np.array([match.losses[:, wanted(match.minutes)].mean(axis=1) for match in matches])
    levels = {name: interval(means[:, place]) for place, name in enumerate(NAMES)}
    against = {name: interval(means[:, 0] - means[:, place]) for place, name in enumerate(NAMES) if place}
    return {"matches": len(means), "log_loss": levels, "model_minus": against}


def by_minute(matches: Sequence[Scored]) -> list[dict[str, float]]:
    """Mean log-loss at each minute, over the matches still in play."""
    rows = []
    for minute in range(max(int(match.minutes.max()) for match in matches) + 1):
        there = [match.losses[:, match.minutes == minute][:, 0] for match in matches if minute in match.minutes]
        means = np.mean(there, axis=0)
        rows.append({"minute": minute, "matches": len(there), **dict(zip(NAMES, map(float, means), strict=True))})
    return rows


def calibration(matches: Sequence[Scored]) -> list[dict[str, Any]]:
    """For each quarter of an hour: what was forecast against how often it came, and the expected calibration error
    beside the one that forecasts which are right to the letter would show on as few matches."""
    quarters = []
    chance = np.random.default_rng(SEED)
    for start, end in pairwise(QUARTERS):
        parts = []
        for match in matches:
            rows = match.forecasts[0][(match.minutes >= start) & (match.minutes < end)]
            if len(rows):
                parts.append((rows, match.outcome))
        said = np.concatenate([rows for rows, _ in parts])
        came = np.concatenate([np.tile(np.eye(3)[outcome], (len(rows), 1)) for rows, outcome in parts])
        error, points = _binned(said, came)
        by_luck = [_binned(said, _as_if_right(parts, chance))[0] for _ in range(200)]
        label = f"{start}-{end}" if end <= 90 else "90+"
        quarters.append({"minutes": label, "matches": len(parts), "ece": error, "ece_if_right": float(np.mean(by_luck)),
                         "points": points})  # fmt: skip
    return quarters


def _as_if_right(parts: Sequence[tuple[Floats, int]], chance: np.random.Generator) -> Floats:
    """Outcomes drawn from the forecasts themselves, one for each match."""
    drawn = [int(chance.choice(3, p=rows.mean(axis=0))) for rows, _ in parts]
    return np.concatenate(
        [np.tile(np.eye(3)[outcome], (len(rows), 1)) for (rows, _), outcome in zip(parts, drawn, strict=True)]
    )


def _binned(said: Floats, came: Floats) -> tuple[float, list[dict[str, float]]]:
    """The mean distance of forecast and frequency over bins of the forecast, home, draw and away alike."""
    forecasts, outcomes = said.ravel(), came.ravel()
    bins = np.minimum((forecasts * BINS).astype(int), BINS - 1)
    error, points = 0.0, []
    for place in range(BINS):
        inside = bins == place
        if inside.any():
            mean, seen = float(forecasts[inside].mean()), float(outcomes[inside].mean())
            share = float(inside.mean())
            error += share * abs(mean - seen)
            points.append({"forecast": mean, "seen": seen, "share": share})
    return error, points


def evaluate(folder: Path) -> dict[str, Any]:
    """All figures, of all matches of a folder."""
    found = load([folder]).matches
    if not found:
        raise SystemExit(f"{folder} holds no match")
    for match in found:
        check_model(match)
    matches = [scored(match) for match in found]
    return {
        "matches": len(matches),
        "prior": {"home_rate": PRIOR.home_rate, "away_rate": PRIOR.away_rate, "rho": PRIOR.rho},
        "linear_least": {"linear": LINEAR_LEAST, "kinder": KINDER_LEAST},
        "whole_match": compared(matches, lambda minutes: minutes >= 0),
        "last_half_hour": compared(matches, lambda minutes: (minutes >= LATE) & (minutes < 90)),
        "with_stoppage": compared(matches, lambda minutes: minutes >= LATE),
        "by_minute": by_minute(matches),
        "calibration": calibration(matches),
    }


def table(figures: dict[str, Any]) -> str:
    """The figures for people."""
    lines = [f"{figures['matches']} matches, one prior for all; log-loss of the result, lower is better"]
    for name, title in (
        ("whole_match", "whole match"),
        ("last_half_hour", "60' to 89'"),
        ("with_stoppage", "from 60' on"),
    ):
        part = figures[name]
        lines += [f"{title:16} {key:7} {v['mean']:.3f}  [{v['low']:.3f}, {v['high']:.3f}]"
                  for key, v in part["log_loss"].items()]  # fmt: skip
        lines += [f"{'':16} model - {key:7} {v['mean']:+.3f}  [{v['low']:+.3f}, {v['high']:+.3f}]"
                  for key, v in part["model_minus"].items()]  # fmt: skip
    for row in figures["by_minute"]:
        if row["minute"] % 15 == 0 or row["minute"] == 89:
            values = "  ".join(f"{key} {row[key]:.3f}" for key in NAMES)
            lines.append(f"at {row['minute']:>3}'  {values}  ({row['matches']} matches)")
    lines += [f"calibration {row['minutes']:>6}: error {row['ece']:.3f}, {row['ece_if_right']:.3f} by luck alone"
              for row in figures["calibration"]]  # fmt: skip
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", default=DATA, help="Wyscout matches with their meta folder")
    parser.add_argument("--json", action="store_true", help="figures for programs")
    parser.add_argument("--plot", type=Path, help="where to draw them, as SVG")
    options = parser.parse_args()
    figures = evaluate(options.folder)
    if options.plot:
        options.plot.write_text(chart(figures, NAMES))
    print(json.dumps(figures, indent=1) if options.json else table(figures))


if __name__ == "__main__":
    main()
