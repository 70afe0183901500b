"""The band of certainty by known answers."""

from __future__ import annotations

import numpy as np
import pytest

from support.pools import select
from tithe.errors import InputError
from tithe.select.pool import Pool


def found(likely_N: np.ndarray, labels_N: np.ndarray) -> Pool:
    probs_NC = np.stack([1 - likely_N, likely_N], -1)
    probs_NC[labels_N == 0] = probs_NC[labels_N == 0, ::-1]
    return Pool.of(labels_N, np.arange(len(labels_N)), {"probs": probs_NC})


def test_rows_come_from_the_band_of_their_class_and_then_from_beside_it() -> None:
    rng, labels_N = np.random.default_rng(0), np.repeat([0, 1], [101, 101])
    likely_N = np.concatenate([rng.permutation(101) / 1000, 0.9 + rng.permutation(101) / 1010])
    pool, options = found(likely_N, labels_N), {"low": 0.4, "high": 0.6}
    rank_N = np.concatenate([likely_N[:101].argsort().argsort(), likely_N[101:].argsort().argsort()])
    some = rank_N[select(pool, "middle", budget=0.1, options=options).rows]
    assert some.min() >= 40 and some.max() <= 60 and len(set(some)) > 10
    wide = rank_N[select(pool, "middle", budget=62 / 202, balance="uniform", options=options).rows]
    assert sorted(wide) == sorted([*range(35, 66)] * 2)


def test_another_seed_takes_other_rows_of_the_band() -> None:
    pool = found(np.random.default_rng(0).random(200), np.zeros(200, dtype=np.int64))
    assert set(select(pool, "middle", seed=0).rows) != set(select(pool, "middle", seed=1).rows)


def test_a_band_that_ends_before_it_begins_is_one_line() -> None:
    with pytest.raises(InputError, match=r"low 0.8 is above high 0.2: exchange them"):
        select(found(np.ones(4), np.zeros(4, dtype=np.int64)), "middle", options={"low": 0.8, "high": 0.2})
