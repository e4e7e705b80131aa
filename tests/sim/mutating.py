"""Mutants: ways to break the platform, each a patch, and what notices.

``python -m tests.sim.mutating`` runs each over seeds until an invariant breaks, then the unit and contract tests on the
same copy, and writes the table of docs/mutants.md. A mutant that nobody catches is a missing checker.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PATCHES = sorted(Path(__file__).parent.joinpath("mutants").glob("*.patch"))
SEEDS_MAX = 50
TABLE = ROOT / "docs" / "mutants.md"
HEAD = """# Mutants

Named ways to break Matchday, each a patch in `tests/sim/mutants/`. `matchday sim` must notice each within {seeds} seeds
that are clean without it; the last column says whether the unit and contract tests would have noticed anyway. Written
by `python -m tests.sim.mutating`; CI runs each with the seed named here (`tests/sim/test_mutants.py`).

| mutant | the invariant it breaks | first seed that shows it | unit and contract tests |
| --- | --- | ---: | --- |
"""


def mutated(patch: Path, folder: Path) -> Path:
    """A copy of the project with a patch applied."""
    copy = folder / patch.stem
    left_out = shutil.ignore_patterns(".git", ".venv", ".*_cache", ".hypothesis", "__pycache__", "data")
    shutil.copytree(ROOT, copy, ignore=left_out)
    subprocess.run(["git", "apply", "--whitespace=nowarn", str(patch)], cwd=copy, check=True)
    return copy


def environment(copy: Path) -> dict[str, str]:
    """Python finds the copy before what is installed."""
    return {**os.environ, "PYTHONPATH": f"{copy / 'src'}{os.pathsep}{copy}", "PYTHONDONTWRITEBYTECODE": "1"}


def simulate(copy: Path, seeds: str) -> dict[str, Any]:
    """The report of ``matchday sim`` on a copy."""
    command = [sys.executable, "-m", "matchday", "sim", "--seeds", seeds, "--stop-at-first", "--json"]
    done = subprocess.run(
        [*command, "--processes", "1"], cwd=copy, env=environment(copy), capture_output=True, text=True, check=False
    )
    assert done.stdout, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def first_failure(report: dict[str, Any]) -> tuple[str, int] | None:
    """(invariant, seed) of the first seed that failed."""
    for result in report["failed"]:
        return result["failure"]["invariant"], result["seed"]
    return None


def tested(copy: Path) -> str:
    """Whether the unit and contract tests notice: the first that fails, or nothing."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "tests/unit", "tests/contract",
         "--deselect", "tests/unit/test_architecture_attack.py"],
        cwd=copy, env=environment(copy), capture_output=True, text=True, check=False,
    )  # fmt: skip
    failed = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    return failed[0].split(" - ")[0].partition("::")[2].partition("[")[0] if failed else ""


def row(patch: Path, folder: Path) -> str:
    """A mutant's line of the table."""
    copy = mutated(patch, folder)
    caught = first_failure(simulate(copy, f"1-{SEEDS_MAX}"))
    noticed = tested(copy)
    sys.stderr.write(f"{patch.stem}: {caught}, {noticed or 'no unit test'}\n")
    invariant, seed = caught or ("**nobody**", "")
    by_unit = f"`{noticed}`" if noticed else "no"
    return f"| {patch.stem.replace('_', ' ')} | `{invariant}` | {seed} | {by_unit} |"


def known() -> dict[str, tuple[str, int]]:
    """Mutant -> (invariant, seed) as the table has them."""
    found = {}
    for line in TABLE.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| ") and len(cells) == 4 and cells[2].isdecimal():
            found[cells[0].replace(" ", "_")] = (cells[1].strip("`"), int(cells[2]))
    return found


def main() -> None:
    """Write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="only these, printed instead of written")
    parser.add_argument("--folder", type=Path, required=True, help="where the mutated copies are made")
    options = parser.parse_args()
    patches = [patch for patch in PATCHES if not options.names or patch.stem in options.names]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        rows = list(pool.map(lambda patch: row(patch, options.folder), patches))
    if options.names:
        sys.stdout.write("\n".join(rows) + "\n")
    else:
        TABLE.write_text(HEAD.format(seeds=SEEDS_MAX) + "\n".join(rows) + "\n")


if __name__ == "__main__":
    main()
