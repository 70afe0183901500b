"""Rows that belong together, and parts that get their shares without tearing them apart."""

from typing import Any

import numpy as np
import pytest

from tithe.data import grouping


def test_a_value_that_stands_twice_binds_its_rows() -> None:
    assert list(grouping.rows_sharing_value(["a", None, "b", "a", None, "b", "c", "a"])) == [[0, 3, 7], [2, 5]]


JOINED = [
    (4, [], [0, 1, 2, 3]),
    (4, [[0, 2]], [0, 1, 0, 2]),
    (5, [[3, 4], [1, 3]], [0, 1, 2, 1, 1]),
    (6, [[4, 5], [2, 3], [5, 2], [0]], [0, 1, 2, 2, 2, 2]),
    (3, [[2, 1, 0]], [0, 0, 0]),
    (0, [], []),
]


@pytest.mark.parametrize(("count", "links", "groups"), JOINED)
def test_groups_known_answers(count: int, links: list[list[int]], groups: list[int]) -> None:
    assert grouping.connected_components(count, links).tolist() == groups


def test_groups_are_what_a_search_finds() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        links = [rng.choice(40, rng.integers(1, 4), replace=False).tolist() for _ in range(rng.integers(0, 30))]
        near = np.eye(40, dtype=bool)
        for rows in links:
            near[np.ix_(rows, rows)] = True
        for _ in range(6):  # chains of up to 64 links
            near = near @ near
        found = grouping.connected_components(40, links)
        assert (near == (found[:, None] == found)).all()
        assert found[np.unique(found, return_index=True)[1]].tolist() == list(range(found.max() + 1))


def random_groups(rng: np.random.Generator) -> tuple[Any, Any, Any]:
    """Groups, classes and strata of some hundred rows, of one make-up or of many."""
    count = int(rng.integers(30, 200))
    sizes = rng.choice([np.ones(count, int), np.full(count, 4), rng.integers(1, 9, count)])
    group_N = np.repeat(np.arange(count), sizes)
    strata = int(rng.integers(1, 6))
    label_N = rng.permutation(np.arange(len(group_N)) % 2)
    return group_N, label_N, 2 * rng.integers(0, strata, len(group_N)) + label_N


@pytest.mark.parametrize("shares", [(0.8, 0.1, 0.1), (0.6, 0.2, 0.2), (0.75, 0.25, 0.0), (0.9, 0.0, 0.1)])
def test_parts_get_their_shares_as_exactly_as_groups_allow(shares: tuple[float, float, float]) -> None:
    rng = np.random.default_rng(1)
    for seed in range(6):
        group_N, label_N, stratum_N = random_groups(rng)
        part_N = grouping.divide(group_N, label_N, stratum_N, shares, np.zeros((3, 2), dtype=bool), seed)
        for group in np.unique(group_N):
            assert len(set(part_N[group_N == group])) == 1
        largest = np.bincount(group_N).max()
        for part, share in enumerate(shares):
            assert abs((part_N == part).sum() - share * len(part_N)) <= (largest + 1) / 2
            for label in (0, 1):
                counted = ((part_N == part) & (label_N == label)).sum()
                assert abs(counted - share * (label_N == label).sum()) <= largest
                assert (counted > 0) == (share > 0)


def test_groups_of_one_make_up_are_shared_out_to_a_group() -> None:
    group_N = np.repeat(np.arange(57), 4)
    stratum_N = np.tile([0, 1, 2, 4], 57)
    for seed in range(5):
        part_N = grouping.divide(group_N, stratum_N % 2, stratum_N, (0.7, 0.2, 0.1), np.zeros((3, 2), bool), seed)
        assert sorted(np.bincount(part_N).tolist()) in ([4 * 5, 4 * 12, 4 * 40], [4 * 6, 4 * 11, 4 * 40])


def test_a_large_group_goes_where_it_fits_and_the_rest_makes_up_for_it() -> None:
    group_N = np.concatenate([np.zeros(60, int), np.arange(1, 141)])
    label_N = np.arange(200) % 2
    for seed in range(10):
        part_N = grouping.divide(group_N, label_N, label_N, (0.8, 0.1, 0.1), np.zeros((3, 2), bool), seed)
        assert part_N[0] == 0 and np.bincount(part_N).tolist() == [160, 20, 20]


@pytest.mark.parametrize("groups", [[0, 0, 1, 1, 2, 2], [0, 1, 2, 3, 4, 5]])
def test_the_smallest_sets_that_can_be_split_are(groups: list[int]) -> None:
    label_N = np.array([0, 1] * 3)
    for seed in range(10):
        part_N = grouping.divide(np.array(groups), label_N, label_N, (0.8, 0.1, 0.1), np.zeros((3, 2), bool), seed)
        assert [sorted(label_N[part_N == part]) for part in range(3)] == [[0, 1]] * 3


def test_another_seed_gives_other_parts_whatever_the_groups() -> None:
    rng = np.random.default_rng(2)
    for sizes in (np.ones(150, int), np.full(80, 3), rng.integers(1, 12, 100)):
        group_N = np.repeat(np.arange(len(sizes)), sizes)
        label_N = rng.integers(0, 2, len(group_N))
        parts = [
            grouping.divide(group_N, label_N, label_N, (0.8, 0.1, 0.1), np.zeros((3, 2), bool), seed)
            for seed in (1, 1, 2)
        ]
        assert (parts[0] == parts[1]).all()
        tested = parts[0] == 2
        assert (parts[2][tested] == 2).mean() < 0.5
