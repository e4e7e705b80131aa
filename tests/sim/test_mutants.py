"""Every mutant is caught: by the seed that docs/mutants.md names, or by another where that is another world by now."""

import os
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.sim.mutating import PATCHES, ROOT, SEEDS_MAX, applied, first_failure, known, mutated, simulate

TABLED = known()


def test_the_table_names_every_mutant_there_is() -> None:
    assert set(TABLED) == {patch.stem for patch in PATCHES}
    assert all(seed <= SEEDS_MAX for _, seed in TABLED.values())


@pytest.mark.parametrize("patch", PATCHES, ids=lambda patch: patch.stem)
def test_a_mutant_still_applies(patch: Path) -> None:
    assert not applied(patch, ROOT, "--check"), "the code it breaks has changed: make the patch anew"


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Future[dict[str, Any]]]]:
    """All of them, as many at once as there are cores."""
    folder = tmp_path_factory.mktemp("mutants")

    def report(patch: Path) -> dict[str, Any]:
        return simulate(mutated(patch, folder), f"{TABLED[patch.stem][1]},1-{SEEDS_MAX}")

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        yield {patch.stem: pool.submit(report, patch) for patch in PATCHES}


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(TABLED))
def test_a_mutant_is_caught(name: str, reports: dict[str, Future[dict[str, Any]]]) -> None:
    assert first_failure(reports[name].result()), f"no seed shows it any more; see: python -m tests.sim.mutating {name}"
