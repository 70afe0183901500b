"""The instant baseline, and what it may cost."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from tithe.data import Dataset
from tithe.evaluate import baseline


def rows_of(texts: list[str], labels: list[int]) -> Dataset:
    rows = np.arange(len(texts))
    return Dataset(pa.table({"id": rows, "input": texts}), rows, np.array(labels), "source")


TRAIN = rows_of(["a good film", "good fun", "a bad film", "bad bore"] * 3, [0, 0, 1, 1] * 3)


def test_it_learns_words() -> None:
    scored = baseline.score(TRAIN, rows_of(["good", "so bad", "fun", "bad fun bad"], [0, 1, 0, 0]), classes=3)
    assert scored["accuracy"] == 0.75 and scored["f1"] == pytest.approx((0.8 + 2 / 3) / 2) and scored["rows"] == 12


# Seconds of the run, rows, classes, and whether the baseline is a small part of them.
COSTS = [(20.0, 10, 2, False), (40.0, 10, 2, True), (100.0, 20_000, 2, True), (100.0, 20_000, 400, False)]


@pytest.mark.parametrize(("seconds", "rows", "classes", "is_affordable"), COSTS)
def test_it_takes_a_small_part_of_the_time(seconds: float, rows: int, classes: int, is_affordable: bool) -> None:
    train = TRAIN.take(np.arange(rows) % 12)
    assert baseline.is_affordable(train, TRAIN, classes, seconds) == is_affordable


def test_a_million_rows_cost_as_much_as_a_few() -> None:
    assert len(baseline._some(1_000_000)) == 20_000 == len(baseline._some(20_000)) and len(baseline._some(0)) == 0
