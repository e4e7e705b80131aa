"""How long the fuzzing takes: about half a minute, or as long as ``TEST_FUZZ_SECONDS`` says. In CI the parsers of what
comes off the wire (HTTP, WebSocket) are given a minute of their own."""

import os
from typing import Final

_SECONDS = 30.0
_SCALE = float(os.environ.get("TEST_FUZZ_SECONDS", _SECONDS)) / _SECONDS


_OFF_THE_WIRE: Final = 5 if os.environ.get("CI") == "true" else 1


def examples(usual: int) -> int:
    """Examples of one test, in proportion to the time there is."""
    return max(1, round(usual * _SCALE))


def examples_off_the_wire(usual: int) -> int:
    """The same of a parser of bytes that anybody may send."""
    return examples(usual * _OFF_THE_WIRE)
