"""Prices from a CSV file: what bookmakers offered before kick-off, matched to fixtures by team and day.

Columns: ``date, home_team, away_team, home_win, draw, away_win, over_2.5, under_2.5``; others are ignored. Of several
rows for a match (several ``provider``) the market average is taken, else the first with prices.
"""

import csv
import gzip
import re
import unicodedata
import zlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Self

import msgspec

from matchday.model.messages import Strengths
from matchday.model.price import PriceError, parse_price
from matchday.pricing.calibrate import strengths_from_prices

_REQUIRED: Final = ("date", "home_team", "away_team", "home_win", "draw", "away_win")
_DAY_MS: Final = 86_400_000
_PREFERRED: Final = "market_average"
_NOISE: Final = frozenset(
    {"fc", "afc", "cf", "sc", "ac", "ca", "cd", "ud", "rcd", "sd", "de", "the", "and", "club", "futbol"}
)
_SAME: Final = {"utd": "united", "man": "manchester", "nottm": "nottingham", "st": "saint", "wolves": "wolverhampton",
                "spurs": "tottenham"}  # fmt: skip
_OPTIONAL: Final = frozenset({"united", "city", "town", "hotspur", "albion", "wanderers", "hove", "rovers", "county"})
"""Words that one source writes and another leaves out; they count only where they tell two teams apart."""


class PricesError(ValueError):
    """A prices file that cannot be used: names file, row and remedy."""


class Row(msgspec.Struct, frozen=True):
    """One match's prices, in thousandths."""

    line: int
    day_ms: int
    home: str
    away: str
    prices: tuple[int, int, int]
    totals: tuple[int, int] | None
    provider: str


def normalised(name: str) -> frozenset[str]:
    """The words of a team's name that tell it from others: no accents, case, punctuation, legal forms. A name without a
    Latin letter is one word."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    words = [_SAME.get(word, word) for word in re.findall(r"[a-z0-9]+", plain)]
    return frozenset(word for word in words if word not in _NOISE) or frozenset(words or [name.strip().casefold()])


def same_team(a: str, b: str) -> bool:
    """Whether two sources mean one team: the same words, but for those that are often left out."""
    one, other = normalised(a), normalised(b)
    if one == other:
        return True
    return bool(one & other) and (one ^ other) <= _OPTIONAL and not (one - other and other - one)


class PriceTable:
    """All matches of a file."""

    def __init__(self, rows: list[Row], skipped: int) -> None:
        self._rows = rows
        self._used: set[int] = set()
        self.skipped = skipped
        """Rows without prices."""

    @classmethod
    def read(cls, path: Path) -> Self:
        """PricesError names what is wrong and where."""
        try:
            with (
                gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as file
            ):
                table = csv.DictReader(file)
                missing = [name for name in _REQUIRED if name not in (table.fieldnames or ())]
                if missing:
                    raise PricesError(f"{path}: column {missing[0]!r} is missing; expected {', '.join(_REQUIRED)}")
                read = [_row(path, number, fields) for number, fields in enumerate(table, 2)]
        except (OSError, EOFError, zlib.error, UnicodeDecodeError, csv.Error) as error:
            raise PricesError(f"{path}: {error}; expected a CSV file, plain or gzipped") from error
        rows = [row for row in read if row is not None]
        return cls(rows, len(read) - len(rows))

    def match(self, home: str, away: str, kickoff_ms: int) -> Strengths | None:
        """Strengths from the row of a match (a day either way), or None where there is none that fits."""
        found = [
            row
            for row in self._rows
            if abs(row.day_ms - kickoff_ms) < 2 * _DAY_MS and same_team(row.home, home) and same_team(row.away, away)
        ]
        for row in sorted(found, key=lambda row: (row.provider != _PREFERRED, row.line)):
            try:
                strengths = strengths_from_prices(*row.prices, *(row.totals or (None, None)))
            except ValueError:
                continue
            self._used.update(other.line for other in found)
            return strengths
        return None

    def unmatched_rows(self) -> list[Row]:
        """Rows that no fixture has asked for."""
        return [row for row in self._rows if row.line not in self._used]


def _row(path: Path, number: int, fields: dict[str, str]) -> Row | None:
    """A row; None where its prices are blank or zero."""
    date, home_team, away_team, *texts = ((fields.get(name) or "").strip() for name in _REQUIRED)
    if not all(texts) or any(text.strip("0.") == "" for text in texts):
        return None
    try:
        if not home_team or not away_team:
            raise ValueError("a team's name is missing")
        day = datetime.fromisoformat(date)
        home, draw, away = (_price(text) for text in texts)
        over, under = ((fields.get(name) or "").strip() for name in ("over_2.5", "under_2.5"))
        totals = (_price(over), _price(under)) if over and under else None
    except (ValueError, PriceError) as error:
        raise PricesError(f"{path}: row {number}: {error}") from error
    day_ms = int((day if day.tzinfo else day.replace(tzinfo=UTC)).timestamp()) * 1000
    return Row(number, day_ms, home_team, away_team, (home, draw, away), totals,
               fields.get("provider") or "")  # fmt: skip


def _price(text: str) -> int:
    """Thousandths; further decimals of an average are cut off."""
    whole, dot, fraction = text.partition(".")
    return parse_price(f"{whole}{dot}{fraction[:3]}" if fraction else whole)
