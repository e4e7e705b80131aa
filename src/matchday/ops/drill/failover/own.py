"""A cluster of the drill's own: started, and taken down again, by the command that everybody uses."""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from matchday.ops.cluster_engines import FOLDER
from matchday.ops.drill import DrillError
from matchday.ops.engines import free_ports
from matchday.ops.engines.patroni import node_name
from matchday.ops.engines.postgres import OWNER

UP_S_MAX: Final = 600.0
DISK_BYTES: Final = 2 * 2**30
"""Of a node's disk: twice what its write-ahead log takes."""
_NODES: Final = 3
ON_DISK: Final = "/var/tmp"  # noqa: S108 - tempfile makes a private folder in it
SETTINGS: Final = {
    # All fans and watchers come from one address.
    "MATCHDAY_DOORS_GUESTS_PER_MINUTE_MAX": "100000",
    "MATCHDAY_PUSH_CONNECTIONS_PER_ADDRESS_MAX": "5000",
    # A few fans bet as much as many would.
    "MATCHDAY_ACCOUNTS_GRANT": "1000000000",
    "MATCHDAY_ACCOUNTS_STAKE_PER_DAY": "1000000000",
    "MATCHDAY_BETS_WAITING_ACCOUNT_MAX": "10000",
    "MATCHDAY_BETS_EXPOSURE_ACCOUNT_MAX": "1000000000000",
    "MATCHDAY_BETS_EXPOSURE_MARKET_MAX": "1000000000000",
    "MATCHDAY_BETS_EXPOSURE_SELECTION_MAX": "1000000000000",
    "MATCHDAY_BETS_EXPOSURE_FIXTURE_MAX": "1000000000000",
}
"""What differs from a platform's defaults: few fans from one address stand for many from everywhere. Every check is
still made."""


class Own:
    """A cluster in a folder that is made for it: up until the block ends."""

    def __init__(self, words: Sequence[str], *, kept_in: Path | None = None, disks: bool = False) -> None:
        """``kept_in``: where the folder is made; in /var/tmp otherwise, on a disk. ``disks``: each node of PostgreSQL
        under Patroni has a disk of its own, small, where that can be had."""
        self._words, self._kept_in, self._disks = words, kept_in, disks
        self._mounted: list[Path] = []
        self.keep = True
        """Whether the folder stays, to be looked at."""

    def __enter__(self) -> Self:
        self.folder = Path(tempfile.mkdtemp(dir=self._kept_in or ON_DISK, prefix="matchday-drill-"))
        (port,) = free_ports(1)
        if self._disks:
            self._mounted = _disks(self.folder)
        try:
            _run("up", "--with-engines", "--port", str(port), *self._words, folder=self.folder)
        except DrillError:
            self._end()
            raise
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        self._end()

    def _end(self) -> None:
        with contextlib.suppress(DrillError):
            _run("down", folder=self.folder)
        if self.keep:
            sys.stderr.write(f"what the cluster wrote stays in {self.folder}\n")
            return
        for place in self._mounted:
            subprocess.run(["umount", str(place)], check=False)  # noqa: S603, S607 - ours
        subprocess.run(["rm", "-rf", str(self.folder)], check=False)  # noqa: S603, S607 - files of other users, too


def _disks(folder: Path) -> list[Path]:
    """A file system of its own for each node, in a file; those that could be made."""
    found: list[Path] = []
    for number in range(_NODES):
        place, image = folder / FOLDER / "patroni" / node_name(number), folder / f"disk-{number}"
        place.mkdir(parents=True)
        with image.open("wb") as file:
            file.truncate(DISK_BYTES)
        steps = (["mkfs.ext4", "-q", str(image)], ["mount", "-o", "loop", str(image), str(place)])
        if any(subprocess.run(step, check=False, capture_output=True).returncode for step in steps):  # noqa: S603
            place.rmdir()
            break
        found.append(place)
        (place / "lost+found").rmdir()  # a folder with something in it is not taken for a new node
        shutil.chown(place, OWNER, OWNER)
        place.chmod(0o700)
    return found


def _run(*words: str, folder: Path, more: Mapping[str, str] = SETTINGS) -> None:
    command = [sys.executable, "-m", "matchday", "cluster", *words, "--state", str(folder)]
    try:
        done = subprocess.run(  # noqa: S603 - our own command
            command, env={**os.environ, **more}, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, text=True, check=False, timeout=UP_S_MAX,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise DrillError(f"`matchday cluster {words[0]}` did not end within {UP_S_MAX:g} s; see {folder}") from error
    if done.returncode:
        raise DrillError(f"`matchday cluster {' '.join(words)}`: {done.stderr.strip()[-2_000:]}")
