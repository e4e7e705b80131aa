"""A decision in one line: what is done, why, from what, until when."""

from matchday.ops.scaler.core import Amount, Decision, Why


def explained(target: str, made: Decision) -> str:
    """Such as ``gate 3 -> 5: connections 9,800 expected at 19:12, one carries 2,000``."""
    return f"{target} {_what(made)}: {_why(made)}{_doubts(made)}"


def _what(made: Decision) -> str:
    if made.wanted is None or made.asked is None:
        return "is left alone"
    if made.change:
        return f"{made.asked} -> {made.wanted}"
    return f"stays {made.asked}"


def _why(made: Decision) -> str:
    match made.why:
        case Why.UNKNOWN:
            return f"how many there are is not known; {made.wish} would do{_from(made)}"
        case Why.HOLD if made.hold is not None:
            return f"{made.wish} would do{_from(made)}, but nothing shrinks until {made.hold.until}: {made.hold.why}"
        case Why.DOUBT:
            return f"{made.wish} would do{_from(made)}, but nothing shrinks in doubt"
        case Why.STABILISING:
            return f"{made.wish} would do{_from(made)}, but not for long enough yet: {made.wait_s:.0f} s more"
        case Why.STARTING:
            return f"{made.wish} would do{_from(made)}, once what was asked for is ready ({made.ready} of {made.asked})"
        case Why.STEP:
            return f"a step towards {made.wish}{_from(made)}"
        case Why.CEILING:
            return f"the ceiling, where {made.wish} are wanted{_from(made)}"
        case Why.SPARE:
            return f"{made.wish} do{_from(made)}"
        case _:
            return made.source.value if made.amount is None else f"{made.source.value}{_from(made)}"


def _from(made: Decision) -> str:
    amount = made.amount
    if amount is None:
        return " (the floor)" if made.source is Why.FLOOR and made.why is not Why.FLOOR else ""
    return f" ({_said(amount)})"


def _said(amount: Amount) -> str:
    when = f"expected by {amount.at}" if amount.at else "now"
    return f"{amount.load} {amount.value:,.0f} {when}, one carries {amount.per_process:,.0f}"


def _doubts(made: Decision) -> str:
    return f" [{'; '.join(made.doubts)}]" if made.doubts else ""
