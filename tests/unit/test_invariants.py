"""The invariants of ARCHITECTURE.md that can be seen in the source hold here. That each check sees a breach is in
``test_architecture_attack``."""

import pytest

from tests.architecture import BOUNDED, CHECKS, CLOCKS, HANDED_ON, MONEY, ROOT, STOPWATCHES, package


@pytest.mark.parametrize("name", CHECKS)
def test_our_own_source_keeps_it(name: str) -> None:
    assert CHECKS[name](ROOT) == []


def test_what_is_exempt_is_there() -> None:
    """An exemption for a file that is gone would wait for the next one of that name."""
    for name in (*CLOCKS, *STOPWATCHES, *HANDED_ON, *BOUNDED, *MONEY):
        assert (package(ROOT) / name).is_file(), name
