"""Releases: the code that a process of a local cluster runs, by the folder in which it is.

Empty is the code that the command itself runs. Otherwise a virtual environment in which Matchday is installed
(``bin/python``), or a folder of sources (``matchday/__main__.py``), which go before what is installed.
"""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from matchday.ops.cluster_state import ClusterError


def release_of(folder: Path | None) -> str:
    """A release as members keep it. ClusterError where there is none."""
    if folder is None:
        return ""
    found = folder.absolute()
    if not ((found / "bin" / "python").is_file() or (found / "matchday" / "__main__.py").is_file()):
        raise ClusterError(
            f"--release {folder} is no release: name a virtual environment with Matchday in it, or a folder of sources "
            "(such as src)"
        )
    return str(found)


def interpreter(release: str) -> str:
    """The Python of a release."""
    own = Path(release) / "bin" / "python"
    return str(own) if release and own.is_file() else sys.executable


def with_release(release: str, environment: Mapping[str, str]) -> dict[str, str]:
    """An environment in which that Python finds it."""
    found = dict(environment)
    if release and interpreter(release) == sys.executable:
        found["PYTHONPATH"] = os.pathsep.join(filter(None, (release, found.get("PYTHONPATH", ""))))
    return found


def shown(release: str) -> str:
    """For people."""
    return release or "the installed release"
