"""What was checked, what differed and what could not be derived."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Any, Final

Row = dict[str, Any]

SHOWN: Final = 20
"""Differences of a kind that are told."""


class Report:
    """Counts of what was checked, what differed and what could not be derived; and of what the journal has."""

    def __init__(self) -> None:
        self.checked: Counter[str] = Counter()
        self.differing: Counter[str] = Counter()
        self.underivable: dict[str, Counter[str]] = defaultdict(Counter)
        self.differences: list[tuple[int, str, str]] = []
        self.seen: dict[str, Counter[str]] = defaultdict(Counter)

    def judge(self, good: bool, line: int, check: str, text: str | Callable[[], str]) -> None:
        """Counts one check; where it is not good, notes the difference."""
        self.checked[check] += 1
        if not good:
            self.differing[check] += 1
            # Enough of each kind that the first ones of the whole journal are certainly among them.
            if self.differing[check] <= SHOWN:
                self.differences.append((line, check, text if isinstance(text, str) else text()))

    def unchecked(self, check: str, reason: str, count: int = 1) -> None:
        """Counts something that the journal does not allow to derive."""
        self.underivable[check][reason] += count

    def saw(self, what: str, which: str) -> None:
        """Counts something of which the journal should have every kind."""
        self.seen[what][which] += 1

    def as_json(self) -> Row:
        """The whole report as plain values."""
        names = sorted({*self.checked, *self.underivable})
        return {
            "checks": {
                name: {
                    "checked": self.checked[name],
                    "differences": self.differing[name],
                    "unchecked": dict(self.underivable.get(name, {})),
                }
                for name in names
            },
            "seen": {what: dict(sorted(counts.items())) for what, counts in sorted(self.seen.items())},
            "differences_total": sum(self.differing.values()),
            "differences": [
                {"line": line, "check": check, "text": text} for line, check, text in sorted(self.differences)[:SHOWN]
            ],
        }

    def as_table(self) -> str:
        """The report for people."""
        data = self.as_json()
        rows = [f"{what}: " + ", ".join(f"{k} {n}" for k, n in counts.items()) for what, counts in data["seen"].items()]
        rows.append(f"{'check':<34}{'checked':>10}{'differ':>9}{'unchecked':>11}")
        for name, row in data["checks"].items():
            rows.append(f"{name:<34}{row['checked']:>10}{row['differences']:>9}{sum(row['unchecked'].values()):>11}")
            rows += [f"    unchecked {count}: {reason}" for reason, count in row["unchecked"].items()]
        total = data["differences_total"]
        rows.append(f"{total} differences" + (f", the first {min(total, SHOWN)}:" if total else ""))
        rows += [f"  line {d['line']}: {d['check']}: {d['text']}" for d in data["differences"]]
        return "\n".join(rows)
