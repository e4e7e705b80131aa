"""The words of the drills of this kind: what cannot be held is named before anything is started."""

import pytest

from matchday.__main__ import main


@pytest.mark.parametrize(("words", "status", "says"), [
    (("restore", "--seconds", "0.5"), 2, "--seconds 0.5 is outside 1 to 3600"),
    (("restore", "--load", "0"), 2, "--load 0 is outside 1 to 100000"),
    (("restore", "--folder", "/proc"), 1, "folder /proc is not empty; choose a new one with --folder DIR"),
    (("roll", "--load", "0"), 2, "--load 0 is outside 1 to 5000"),
    (("roll", "--fans", "61"), 2, "--fans 61 is outside 1 to 60, the guests of one address in a minute"),
    (("roll", "--state", "/nowhere"), 1, "no cluster in /nowhere: `matchday cluster up` starts one"),
])  # fmt: skip
def test_what_cannot_be_held_is_named(
    words: tuple[str, ...], status: int, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["drill", *words]) == status
    assert says in capsys.readouterr().err
