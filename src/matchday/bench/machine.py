"""The machine that something was measured on, and what with."""

import os
import platform
import sqlite3
from importlib.metadata import version
from pathlib import Path
from typing import Final

import msgspec

from matchday.bench.stopwatch import LOAD_CORE, SERVER_CORE

_TOLD: Final = ("msgspec", "numpy", "uvicorn", "uvloop", "httptools", "websockets")


class Machine(msgspec.Struct):
    """Where it was measured, and what with."""

    cpu: str
    cores: int
    server_core: int
    load_core: int
    memory_gb: float
    system: str
    python: str
    sqlite: str
    versions: dict[str, str]


def machine() -> Machine:
    """This one."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    cpu = next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    build = f"{platform.python_implementation()} {platform.python_version()}"
    return Machine(
        cpu, os.cpu_count() or 1, SERVER_CORE, LOAD_CORE, round(memory, 1), f"{platform.system()} {platform.release()}",
        build, sqlite3.sqlite_version, {"matchday": version("matchday"), **{name: version(name) for name in _TOLD}},
    )  # fmt: skip
