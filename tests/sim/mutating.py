"""Mutants: ways to break the platform, each a patch, and what notices.

``python -m tests.sim.mutating [NAME ...]`` runs each over seeds until an invariant breaks, then the unit and contract
tests on the same copy, as many mutants at once as there are cores, and writes their rows of docs/mutants.md. Last it
runs the seeds that were needed on the code as it is: one that fails there is a bug, and proves nothing of a mutant. A
mutant that nobody catches is a missing checker.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
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
by `python -m tests.sim.mutating [NAME ...]`. CI runs each with the seed named here, and goes on with 1 to {seeds} where
the seed has become another world (`tests/sim/test_mutants.py`).

| mutant | the invariant it breaks | first seed that shows it | unit and contract tests |
| --- | --- | ---: | --- |
"""


def copied(source: Path, copy: Path) -> Path:
    """A copy of the project, with what is compiled of it but for what is being written just now."""
    left_out = shutil.ignore_patterns(".git", ".venv", ".*_cache", ".hypothesis", "*.pyc.*", "data")
    return Path(shutil.copytree(source, copy, ignore=left_out))


def mutated(patch: Path, folder: Path, source: Path = ROOT) -> Path:
    """A copy of the project with a patch applied."""
    copy = copied(source, folder / patch.stem)
    assert not (refused := applied(patch, copy)), refused
    return copy


def applied(patch: Path, copy: Path, *options: str) -> str:
    """Apply a patch; why it does not apply, or nothing. ``--check`` only tries."""
    command = ["git", "apply", "--whitespace=nowarn", "-C1", *options, str(patch)]
    done = subprocess.run(command, cwd=copy, capture_output=True, text=True, check=False)
    return f"{patch.name}: {done.stderr}" if done.returncode else ""


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
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-p", "no:randomly",
         "tests/unit", "tests/contract", "--deselect", "tests/unit/test_architecture_attack.py"],
        cwd=copy, env=environment(copy), capture_output=True, text=True, check=False,
    )  # fmt: skip
    failed = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    return failed[0].split(" - ")[0].partition("::")[2].partition("[")[0] if failed else ""


def row(patch: Path, folder: Path, source: Path, noticed: str | None) -> str:
    """A mutant's line of the table. What unit tests notice is measured where it is not given."""
    copy = mutated(patch, folder, source)
    caught = first_failure(simulate(copy, f"1-{SEEDS_MAX}"))
    by_unit = noticed or (f"`{found}`" if (found := tested(copy)) else "no")
    sys.stderr.write(f"{patch.stem}: {caught}, {by_unit}\n")
    invariant, seed = caught or ("**nobody**", "")
    return f"| {patch.stem.replace('_', ' ')} | `{invariant}` | {seed} | {by_unit} |"


def rows_of_table() -> Iterator[tuple[str, str, list[str]]]:
    """(mutant, its row, the row's cells)."""
    for line in TABLE.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| ") and len(cells) == 4 and cells[2] != "---:" and cells[0] != "mutant":
            yield cells[0].replace(" ", "_"), line, cells


def known() -> dict[str, tuple[str, int]]:
    """Mutant -> (invariant, seed) as the table has them."""
    return {
        mutant: (cells[1].strip("`"), int(cells[2])) for mutant, _, cells in rows_of_table() if cells[2].isdecimal()
    }


def write(rows: dict[str, str]) -> None:
    """The table with these rows, and those of the other mutants that there are as they were."""
    kept = {mutant: line for mutant, line, _ in rows_of_table()} | rows
    names = [patch.stem for patch in PATCHES if patch.stem in kept]
    TABLE.write_text(HEAD.format(seeds=SEEDS_MAX) + "\n".join(kept[name] for name in names) + "\n")


def main() -> None:
    """Write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="only these; the rows of the others stay as they are")
    parser.add_argument("--folder", type=Path, help="where the mutated copies are made, and left for a look")
    parser.add_argument("--sim-only", action="store_true", help="leave the column of unit and contract tests as it is")
    parser.add_argument("--processes", type=int, default=os.cpu_count(), help="mutants at once")
    options = parser.parse_args()
    patches = [patch for patch in PATCHES if not options.names or patch.stem in options.names]
    if unfit := [refused for patch in PATCHES if (refused := applied(patch, ROOT, "--check"))]:
        sys.exit("\n".join(["these patches no longer apply; make them anew:", *unfit]))
    with tempfile.TemporaryDirectory(prefix="mutants-") as temporary, ThreadPoolExecutor(options.processes) as pool:
        folder = options.folder or Path(temporary)
        clean = copied(ROOT, folder / "clean")  # the project may be edited meanwhile
        kept = {mutant: cells[3] for mutant, _, cells in rows_of_table()} if options.sim_only else {}
        rows = pool.map(lambda patch: row(patch, folder, clean, kept.get(patch.stem)), patches)
        for patch, line in zip(patches, rows, strict=True):
            write({patch.stem: line})
            sys.stdout.write(line + "\n")
        needed = max((seed for _, seed in known().values()), default=1)
        if failed := first_failure(simulate(clean, f"1-{needed}")):
            sys.exit(f"without any mutant seed {failed[1]} breaks {failed[0]}: mend that first")


if __name__ == "__main__":
    main()
