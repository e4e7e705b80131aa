"""How long the fuzzing takes: about half a minute, or as long as ``TEST_FUZZ_SECONDS`` says."""

import os

_SECONDS = 30.0
_SCALE = float(os.environ.get("TEST_FUZZ_SECONDS", _SECONDS)) / _SECONDS


def examples(usual: int) -> int:
    """Examples of one test, in proportion to the time there is."""
    return max(1, round(usual * _SCALE))
