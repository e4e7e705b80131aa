"""What everybody who hands out shares of work promises."""

from matchday.ports import Shares

from .conftest import World


def test_one_process_is_given_every_partition(world: World, shares: Shares, partitions: int) -> None:
    taken: list[int] = []
    lost: list[int] = []
    shares.join("odds", taken.append, lost.append)
    assert not taken  # never from within the call
    world.until(lambda: len(taken) == partitions)
    assert (sorted(taken), lost) == (list(range(partitions)), [])


def test_groups_know_nothing_of_each_other(world: World, shares: Shares, partitions: int) -> None:
    taken: list[tuple[str, int]] = []
    for group in ("odds", "settlement"):
        shares.join(group, lambda number, group=group: taken.append((group, number)), lambda _: None)  # type: ignore[misc]
    world.until(lambda: len(taken) == 2 * partitions)
    assert sorted(taken) == [(group, number) for group in ("odds", "settlement") for number in range(partitions)]
