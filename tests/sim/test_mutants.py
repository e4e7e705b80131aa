"""Every mutant of the table is caught, by the seed that the table names."""

import os
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.sim.mutating import PATCHES, SEEDS_MAX, first_failure, known, mutated, simulate

TABLED = known()


def test_the_table_names_mutants_that_are_there() -> None:
    assert set(TABLED) <= {patch.stem for patch in PATCHES if patch.stem in TABLED}
    assert all(seed <= SEEDS_MAX for _, seed in TABLED.values())


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Future[dict[str, Any]]]]:
    """All of them, as many at once as there are cores."""
    folder = tmp_path_factory.mktemp("mutants")

    def report(patch: Path) -> dict[str, Any]:
        return simulate(mutated(patch, folder), str(TABLED[patch.stem][1]))

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        yield {patch.stem: pool.submit(report, patch) for patch in PATCHES}


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(TABLED))
def test_a_mutant_is_caught(name: str, reports: dict[str, Future[dict[str, Any]]]) -> None:
    assert first_failure(reports[name].result()) == TABLED[name]
