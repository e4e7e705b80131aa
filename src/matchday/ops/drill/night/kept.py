"""Reports of drills in a folder, so that one can be compared to the last."""

import re
from pathlib import Path

import msgspec

from matchday.ops.drill import DrillError
from matchday.ops.drill.night.report import FORMAT, Report
from matchday.words import WordsError, tried


def last(folder: Path, report: Report) -> Report | None:
    """The latest earlier report of the same shape, rate and compression; None where there is none."""
    found = [each for each in map(_read, sorted(folder.glob("night-*.json"))) if each is not None]
    same = [each for each in found if _words(each) == _words(report) and each.at < report.at]
    return max(same, key=lambda each: each.at, default=None)


def tried_in(folder: Path, at: str) -> None:
    """See that the report of a night that begins at ``at`` can be written, and make the folder. WordsError if not."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WordsError(f"--reports {folder}: {error.strerror}; choose another folder with --reports DIR") from error
    tried("--reports", _file(folder, at))


def keep(folder: Path, report: Report) -> Path:
    """Write it; its file. DrillError where it cannot be."""
    path = _file(folder, report.at)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path.write_bytes(msgspec.json.encode(report))
    except OSError as error:
        raise DrillError(f"report {path}: {error.strerror}; choose another folder with --reports DIR") from error
    return path


def _file(folder: Path, at: str) -> Path:
    return folder / f"night-{re.sub(r'[^0-9TZ]', '', at)}.json"


def _read(path: Path) -> Report | None:
    """None where it is of another release's format: those are passed over."""
    try:
        found = msgspec.json.decode(path.read_bytes(), type=Report)
    except (OSError, msgspec.MsgspecError):
        return None
    return found if found.format == FORMAT else None


def _words(report: Report) -> tuple[str, str, float, float]:
    return (report.place, report.shape, report.rate, report.compress)
