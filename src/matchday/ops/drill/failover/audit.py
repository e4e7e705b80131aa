"""The audit of bets: what fans were told, against what the ledger holds. Pure: the record and the ledger's rows in,
what does not agree out.

Every bet that was answered ``accepted`` stands in the ledger once, under the name that was told, its stake taken once;
what it has come to was paid once. One that was refused or turned away took nothing. Nothing stands there that nobody
offered.
"""

from collections.abc import Collection, Iterable, Mapping

import msgspec

from matchday.ops.drill.failover.record import Offer


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """What the ledger holds under one id of one account."""

    id: str
    bet: str | None
    """Its name; None: refused."""
    stakes: int = 0
    """Entries that took its stake."""
    settlements: int = 0
    """Entries that settled it, less those that took a settlement back."""
    paid: int = 0
    """Minor units that the fan got on it so far, by the postings."""
    due: int = 0
    """Minor units that it has come to, by the bet as it stands."""


class Findings(msgspec.Struct, frozen=True):
    """Ids with which something is wrong, and each with what."""

    lost: dict[str, str] = {}
    twice: dict[str, str] = {}
    untrue: dict[str, str] = {}
    """Told otherwise than it is, or never offered."""
    unknown: tuple[str, ...] = ()
    """Without an answer."""

    def __sub__(self, former: "Findings") -> "Findings":
        """What was not found before."""
        return Findings(
            _new(self.lost, former.lost), _new(self.twice, former.twice), _new(self.untrue, former.untrue),
            tuple(id_ for id_ in self.unknown if id_ not in former.unknown),
        )  # fmt: skip


def _new(found: Mapping[str, str], former: Collection[str]) -> dict[str, str]:
    return {id_: what for id_, what in found.items() if id_ not in former}


def audit(offers: Iterable[Offer], ledger: Iterable[Held]) -> Findings:
    """All bets of a drill, and all that the ledger holds of its accounts."""
    held = {one.id: one for one in ledger}
    found = Findings()
    unknown: list[str] = []
    offered: set[str] = set()
    for offer in offers:
        id_ = offer.offered.id
        offered.add(id_)
        if offer.answered is None:
            unknown.append(id_)
        _told(offer, held.get(id_), found)
    for one in held.values():
        if one.id not in offered:
            found.untrue[one.id] = "nobody offered it"
        _booked(one, found)
    return msgspec.structs.replace(found, unknown=tuple(unknown))


def _told(offer: Offer, held: Held | None, found: Findings) -> None:
    """Whether it is as the fan was told."""
    answer = offer.answered
    if answer is None:
        return
    if not offer.accepted:
        if held is not None and held.bet is not None:
            found.untrue[answer.id] = f"answered {answer.outcome}, and the ledger has bet {held.bet}"
    elif held is None or held.bet is None:
        found.lost[answer.id] = "answered accepted, and the ledger has no bet of it"
    elif held.bet != answer.bet:
        found.lost[answer.id] = f"answered as bet {answer.bet}, and the ledger has {held.bet}"


def _booked(held: Held, found: Findings) -> None:
    """Whether its money went once."""
    if held.bet is None:
        return
    if held.stakes == 0:
        found.lost[held.id] = f"bet {held.bet} took no stake"
    elif held.stakes > 1:
        found.twice[held.id] = f"bet {held.bet} took its stake {held.stakes} times"
    if held.settlements > 1:
        found.twice[held.id] = f"bet {held.bet} was settled {held.settlements} times"
    if held.paid > held.due:
        found.twice[held.id] = f"bet {held.bet} was paid {held.paid} of {held.due}"
    elif held.paid < held.due:
        found.lost[held.id] = f"bet {held.bet} was paid {held.paid} of {held.due}"
