"""Mutants are caught: by the seed that docs/mutants.md names, or by another where that is another world by now.

A run takes its share of them: for each invariant the mutant that a seed shows first, and every mutant that no unit or
contract test notices. ``TEST_SIM_MUTANTS=all`` takes all.
"""

import os
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.sim.mutating import PATCHES, ROOT, SEEDS_MAX, applied, first_failure, known, mutated, rows_of_table, simulate

TABLED = known()


def share() -> list[Path]:
    """The mutants that this run takes."""
    if os.environ.get("TEST_SIM_MUTANTS") == "all":
        return [patch for patch in PATCHES if patch.stem in TABLED]
    first: dict[str, str] = {}
    for mutant, (invariant, _) in sorted(TABLED.items(), key=lambda item: item[1][1]):
        first.setdefault(invariant, mutant)
    unnoticed = {mutant for mutant, _, cells in rows_of_table() if cells[3] == "no"}
    return [patch for patch in PATCHES if patch.stem in TABLED and patch.stem in unnoticed | set(first.values())]


SHARE = share()


def test_the_table_has_a_row_for_every_mutant_there_is() -> None:
    assert set(TABLED) == {patch.stem for patch in PATCHES}, "each with the seed that shows it"
    assert all(seed <= SEEDS_MAX for _, seed in TABLED.values())


@pytest.mark.parametrize("patch", PATCHES, ids=lambda patch: patch.stem)
def test_a_mutant_still_applies(patch: Path) -> None:
    assert not applied(patch, ROOT, "--check"), "the code it breaks has changed: make the patch anew"


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Future[dict[str, Any]]]]:
    """Of this run's share, as many at once as there are cores."""
    folder = tmp_path_factory.mktemp("mutants")

    def report(patch: Path) -> dict[str, Any]:
        return simulate(mutated(patch, folder), f"{TABLED[patch.stem][1]},1-{SEEDS_MAX}")

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        yield {patch.stem: pool.submit(report, patch) for patch in SHARE}


@pytest.mark.slow
@pytest.mark.parametrize("patch", SHARE, ids=lambda patch: patch.stem)
def test_a_mutant_is_caught(patch: Path, reports: dict[str, Future[dict[str, Any]]]) -> None:
    caught = first_failure(reports[patch.stem].result())
    assert caught, f"no seed shows it any more; see: python -m tests.sim.mutating {patch.stem}"
