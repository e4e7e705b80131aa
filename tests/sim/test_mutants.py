"""Every mutant of the table is caught, by the seed that the table names."""

from pathlib import Path

import pytest

from tests.sim.mutating import PATCHES, SEEDS_MAX, first_failure, known, mutated, simulate

TABLED = known()


def test_the_table_has_every_mutant_and_each_is_caught() -> None:
    assert sorted(TABLED) == sorted(patch.stem for patch in PATCHES)
    assert len(TABLED) >= 12
    assert all(seed <= SEEDS_MAX for _, seed in TABLED.values())


@pytest.mark.slow
@pytest.mark.parametrize("patch", PATCHES, ids=lambda patch: patch.stem)
def test_a_mutant_is_caught(patch: Path, tmp_path: Path) -> None:
    invariant, seed = TABLED[patch.stem]
    report = simulate(mutated(patch, tmp_path), str(seed))
    assert first_failure(report) == (invariant, seed)
