"""The settings file of a platform on the engines that ``matchday cluster up`` started for it."""

from pathlib import Path
from typing import Final

ROOM_SILENCE_MS: Final = 2_000
"""Milliseconds of a room's silence after which its shares are others'. Less: sooner, and for nothing where a machine
only stands still; then some work is done twice, which changes nothing. Brokers of others allow 6,000 at least, unless
their ``group.min.session.timeout.ms`` is lower."""
_TEXT: Final = """\
# Written by `matchday cluster {words}`: the engines that it started.
[doors]
secret_file = "{secret}"

[log]
kind = "kafka"

[kafka]
brokers = [{brokers}]
replicas = {replicas}
# Less than by default: so long may a room be silent before others take its shares over.
silence_ms_max = {silence_ms}

[ledger]
kind = "postgres"

[postgres]
address = "{address}"
{more}
[cache]
kind = "redis"
address = "{cache}"
"""


def settings_of(
    words: str, secret: Path, *, bootstrap: str, replicas: int, address: str, cache: str, more: str = ""
) -> str:
    """Its text. ``words``: of the command that started the engines; ``bootstrap``: addresses of brokers, by commas;
    ``more``: further lines of the part ``[postgres]``."""
    brokers = ", ".join(f'"{broker}"' for broker in bootstrap.split(","))
    return _TEXT.format(
        words=words, secret=secret, brokers=brokers, replicas=replicas, silence_ms=ROOM_SILENCE_MS, address=address,
        cache=cache, more=more,
    )  # fmt: skip
