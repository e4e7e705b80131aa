"""What can be wrong with what a forecast is made from."""

from dataclasses import dataclass


class ForecastError(ValueError):
    """A file or an option that cannot be used: says which, where and the remedy."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something odd that was handled: what it is, where, and what was done about it. Never by shrinking."""

    what: str
    where: str
    done: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}; {self.done}"
