"""Any bet over the WebSocket: it is answered once, by a word that the protocol has, and the books stay whole."""

from pathlib import Path
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from matchday.model.ledger import Refusal
from matchday.services.push import Push
from matchday.sim.screens import LINES
from tests.fuzz.budget import examples
from tests.unit.doors import OVER, Site
from tests.unit.pushing import Line

junk: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
amounts = st.sampled_from(["10.00", "0.01", "0", "-1.00", "1.001", "99999999999999999999.00", "1e3", " 1.00"]) | junk
legs = st.fixed_dictionaries(
    {},
    optional={
        "selection": st.sampled_from([OVER, "F:1x2/home", "F:total_goals@2.50/over", "F:1x2", "X:1x2/home"]) | junk,
        "price": st.sampled_from(["1.90", "1.9", "1.001", "1.0005", "1.000", "2.500"]) | junk,
        "generation": st.sampled_from([1, 0, -1, 2**70]) | junk,
        "more": junk,
    },
)
bets = st.fixed_dictionaries(
    {},
    optional={
        "id": st.sampled_from(["", "0" * 36, "018bcc72-bdb5-1211-a54d-272943758104"]) | junk,
        "stake": amounts,
        "currency": st.sampled_from(["EUR", "eur", "INR", "XXX"]) | junk,
        "policy": st.sampled_from(["none", "better", "any", "worse"]) | junk,
        "tolerance": st.sampled_from([0, 5, 1000, -1]) | junk,
        "type": st.sampled_from(["single", "trixie", "system:2/3", "system:0/0", "system:9/3"]) | junk,
        "legs": st.lists(legs, max_size=22) | junk,
        "free_bet": junk,
        "offer": junk,
        "refer": junk,
        "more": junk,
    },
)


@settings(max_examples=examples(60), deadline=None)
@given(st.lists(st.tuples(bets, st.booleans()), min_size=1, max_size=4), st.booleans())
def test_any_bet_is_answered_once(said: list[tuple[dict[str, Any], bool]], signed_in: bool) -> None:
    site = Site(Path())
    push = Push(
        site.clock, site.books, "e", site.settings.push, ledger=site.ledger, verify=site.accounts.verify,
        framing=LINES, stale=lambda: False, doors=(site.placing,),
    )  # fmt: skip
    line = Line(site.settings.push.buffer_bytes_max)
    push.opened(line)
    if signed_in:
        push.received(line, msgspec.json.encode({"op": "auth", "token": site.guest()}))
    site.clock.run_for(10)
    line.read()
    for changes, whole in said:
        bet = {**site.bet(), **changes} if whole else changes
        push.received(line, msgspec.json.encode({**bet, "op": "place"}))
        site.clock.run_for(site.settings.doors.answer_ms_max + 1)
        answers = [frame for frame in line.read() if frame["t"] in ("placed", "error")]
        assert len(answers) == 1, (bet, answers)
        _in_the_protocol_s_words(answers[0])
        if not signed_in:
            assert answers[0]["t"] == "error" or answers[0]["status"] >= 400
    assert not any(site.core.totals().values())


def _in_the_protocol_s_words(answer: dict[str, Any]) -> None:
    if answer["t"] == "error":
        assert answer["reason"]
        assert answer["detail"]
        return
    if "problem" in answer:
        assert answer["problem"]["reason"]
        assert answer["problem"]["status"] == answer["status"] >= 400
        return
    assert answer["status"] in (201, 202, 409, 422)
    reason = answer["answer"].get("reason")
    assert reason is None or reason in set(Refusal)
