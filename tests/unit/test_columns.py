"""What is stored is what it was, however it is made quicker."""

import msgspec

from matchday.backends.columns import encoded, fact_body
from matchday.backends.postgres import _packed, bodies, texts
from matchday.model.bet import Bet, Leg, Policy
from matchday.model.messages import BetAccepted

BET = Bet("b1", "id", "anna", "EUR", 100, Policy.ANY, (Leg("F", "F:1x2", "F:1x2/home", 2_000, 1),), 1)


def test_a_fact_with_a_bet_that_is_encoded_already_is_the_same_fact() -> None:
    fact = BetAccepted(7, "anna", 1, 900, BET)
    placed = {"b1": (BET, encoded(BET))}
    assert fact_body(fact, placed) == fact_body(fact, {}) == encoded(fact)
    changed = msgspec.structs.replace(BET, cash_out_at=50)
    assert fact_body(fact, {"b1": (changed, encoded(changed))}) == encoded(fact)  # it stood otherwise when it was taken


def test_a_column_of_text_is_packed_the_same_by_either_way() -> None:
    for values in ([], ["a", "ü", ""], ["x" * 5_000, "y"], ["a\0b", "c"], ["lone \ud800"]):
        assert texts(values).data == _packed(25, values)
    assert texts(["a", None]).data == _packed(25, ["a", None])
    assert bodies([b"{}", b"x" * 5_000]).data == _packed(25, ["{}", "x" * 5_000])
