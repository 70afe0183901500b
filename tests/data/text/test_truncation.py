"""What a most length cuts off, counted by split and said in one line."""

from __future__ import annotations

import numpy as np
import pytest

from tithe.data import Split
from tithe.data.text import truncation

UNCUT = np.array([3, 32, 33, 132, 10, 40])
SPLIT = Split(np.array([0, 2, 3, 5]), np.array([1, 4]), np.array([], dtype=np.int64), ())


def test_texts_and_tokens_are_counted_by_part() -> None:
    assert truncation.by_part(UNCUT, SPLIT, 32) == {
        "max_length": 32,
        "train": {"texts": 4, "texts_cut": 3, "tokens": 208, "tokens_lost": 109},
        "val": {"texts": 2, "texts_cut": 0, "tokens": 42, "tokens_lost": 0},
        "test": {"texts": 0, "texts_cut": 0, "tokens": 0, "tokens_lost": 0},
    }


@pytest.mark.parametrize(
    ("max_length", "says"),
    [
        (
            32,
            "max_length 32 cuts: train 3 of 4 texts (75.0 %), 52.4 % of the tokens; "
            "val 0 of 2 texts (0.0 %), 0.0 % of the tokens",
        ),
        (132, "max_length 132 cuts no text"),
    ],
)
def test_one_line_says_what_is_cut(max_length: int, says: str) -> None:
    assert truncation.sentence(truncation.by_part(UNCUT, SPLIT, max_length)) == says


def test_rows_that_are_not_split_are_of_no_part() -> None:
    whole = truncation.by_part(UNCUT, Split(np.arange(6), SPLIT.test, SPLIT.test, ()), 32)
    assert truncation.sentence(whole) == "max_length 32 cuts 3 of 6 texts (50.0 %), 43.6 % of the tokens"


def test_no_texts_are_no_division_by_zero() -> None:
    assert truncation.phrase(truncation.count(np.array([], dtype=np.int64), 8)).startswith("0 of 0 texts (0.0 %)")
