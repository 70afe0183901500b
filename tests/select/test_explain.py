"""Why a row was chosen, or why not."""

from __future__ import annotations

import numpy as np
import pytest

from support.pools import pool
from tithe import config
from tithe.errors import InputError
from tithe.select import selection
from tithe.select.explain import explain


def test_a_row_is_told_why() -> None:
    found, names = pool(), ("a", "b", "c")
    asked = config.Select(strategy="perplexity", budget=0.1)
    got = selection.select(found, asked, 0)
    chosen, left = int(got.rows[3]), int(np.setdiff1d(np.arange(120), got.rows)[0])
    said = explain(found, got, asked, 0, names, chosen * 10)
    assert said.startswith(
        f"row {chosen * 10} (class {names[found.labels[chosen]]}) was chosen: rank {got.rank[3] + 1} of 12"
    )
    score_N = selection.scores(found, asked, 0)
    assert score_N is not None
    said = explain(found, got, asked, 0, names, left * 10)
    label = found.labels[left]
    lowest = score_N[got.rows[found.labels[got.rows] == label]].min()
    assert f"down to a score of {lowest:.4f}; it has {score_N[left]:.4f}" in said and lowest >= score_N[left]
    near = config.Select(strategy="k_center", budget=0.1)
    said = explain(found, selection.select(found, near, 0), near, 0, names, left * 10)
    assert "the nearest of them is row" in said or "was chosen" in said
    with pytest.raises(InputError, match="row 7 is not among the 120 rows"):
        explain(found, got, asked, 0, names, 7)


def test_the_weight_of_a_row_is_named_where_rows_have_weights() -> None:
    found, asked = pool(), config.Select(strategy="omp", budget=0.1)
    got = selection.select(found, asked, 0)
    said = [explain(found, got, asked, 0, ("a", "b", "c"), int(row) * 10) for row in got.rows]
    assert all(f", weight {weight:.4f}, in round 1" in one for one, weight in zip(said, got.weight, strict=True))
    plain = config.Select(strategy="perplexity", budget=0.1)
    got = selection.select(found, plain, 0)
    assert "weight" not in explain(found, got, plain, 0, ("a", "b", "c"), int(got.rows[0]) * 10)
