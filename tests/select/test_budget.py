"""The budget as a number of rows, and the quota of each class."""

from __future__ import annotations

import numpy as np
import pytest

from tithe import config
from tithe.errors import InputError
from tithe.select.budget import budget_rows, quotas


@pytest.mark.parametrize(
    "rows, share, count", [(1155, 0.1, 116), (1154, 0.1, 115), (10, 0.05, 1), (10, 0.25, 3), (7, 1.0, 7), (3, 0.01, 1)]
)
def test_the_budget_is_rounded_half_up(rows: int, share: float, count: int) -> None:
    assert budget_rows(rows, share) == count


def test_quotas_are_exact_where_rounding_each_class_is_not() -> None:
    labels = np.repeat(np.arange(77), 15)
    count = budget_rows(len(labels), 0.1)
    quota_C = quotas(labels, 115, "stratified", 1)
    assert count == 116 and quota_C.sum() == 115 and set(quota_C) == {1, 2}
    assert quota_C.sum() != 77 * round(0.1 * 15)


def test_no_class_starves_and_uniform_is_uniform() -> None:
    labels = np.repeat([0, 1, 2], [96, 3, 1])
    assert quotas(labels, 10, "stratified", 1).tolist() == [8, 1, 1]
    assert quotas(labels, 10, "stratified", 0).tolist() == [10, 0, 0]
    assert quotas(labels, 10, "uniform", 1).tolist() == [6, 3, 1]
    with pytest.raises(InputError, match=r"gives 2 rows, fewer than the 3 that 3 classes need"):
        quotas(labels, 2, "stratified", 1)


def test_quotas_in_other_proportions_keep_floors_and_sizes() -> None:
    labels = np.repeat([0, 1, 2], [50, 30, 20])
    assert quotas(labels, 20, "stratified", 0, np.array([1.0, 3.0, 0.0])).tolist() == [5, 15, 0]
    assert quotas(labels, 20, "stratified", 1, np.array([0.0, 0.5, 0.5])).tolist() == [1, 10, 9]


@pytest.mark.parametrize("budget", [0.0, -0.1, 1.1, float("nan")])
def test_a_budget_is_a_share(budget: float) -> None:
    with pytest.raises(InputError, match="budget"):
        config.section(config.Select, {"budget": budget}, "config")
