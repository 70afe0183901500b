"""What picking in parts costs, beside picking from all rows at once, is said with a selection."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from support.heads import headed_pool
from support.texts import make_texts, write_rows
from tithe import config, storage
from tithe.arrays import Array
from tithe.select import coverage
from tithe.select.coverage import Mismatch, PartsError, cost_of_parts, covered
from tithe.select.pool import Pool
from tithe.select.selection import select
from tithe.select.strategies import gradient_match

Tithe = Callable[..., tuple[Any, str, list[str]]]


def rows(count: int, seed: int = 0) -> Pool:
    rng = np.random.default_rng(seed)
    of_N = rng.choice(12, count, p=rng.dirichlet(np.ones(12)))
    x_ND = 3 * rng.normal(size=(12, 8))[of_N] + rng.normal(size=(count, 8)) * rng.gamma(2, 0.4, size=(count, 1))
    signals = {"embeddings": x_ND.astype(np.float32), "proxy_probs": rng.dirichlet(np.ones(2), size=(count, 1))}
    return Pool.of(rng.integers(2, size=count), np.arange(count), signals)


def cost(pool: Pool, settings: config.Select, seed: int) -> PartsError | Mismatch | None:
    return cost_of_parts(pool, settings, seed, select(pool, settings, seed))


def test_the_farthest_row_and_the_mean_cosine_are_known() -> None:
    x_ND = np.array([[1, 0], [0, 2], [3, 3], [0, 0]], dtype=np.float32)
    radius, cosine = covered(x_ND, x_ND[[0, 1]])
    assert radius == pytest.approx(np.sqrt(10)) and cosine == pytest.approx((1 + 1 + np.sqrt(0.5) + 0) / 4)


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    x_ND = rows(100).embeddings
    whole = covered(x_ND, x_ND[::7])
    monkeypatch.setattr(coverage, "_CELLS", 100)
    assert covered(x_ND, x_ND[::7]) == pytest.approx(whole)


@pytest.mark.parametrize("balance", ["stratified", "none"])
def test_the_error_is_that_of_both_ways_on_a_sample(balance: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coverage, "_LEAST", 300)
    pool, settings = rows(3000), config.Select(strategy="k_center", budget=0.1, balance=balance, part_rows=1000)
    error = cost(pool, settings, 5)
    assert isinstance(error, PartsError) and error == cost(pool, settings, 5) and error.sample == 300
    assert error != cost(pool, settings, 6)
    sample = pool.take(np.sort(np.random.default_rng([5, 0xC0FE]).permutation(3000)[:300]))
    for part, found in ((100, error.in_parts), (None, error.at_once)):
        picks = select(sample, settings.model_copy(update={"part_rows": part, "floor": 0}), 5).rows
        assert found.radius == pytest.approx(_radius(sample, picks, balance), rel=1e-4)
    assert error.in_parts.radius > error.at_once.radius
    assert f"of 300 sampled rows the farthest is {error.in_parts.radius:.4g}" in error.sentence()


@pytest.mark.parametrize("strategy", ["gradient_match", "omp", "sensitivity"])
def test_what_matches_is_measured_by_its_gradients(strategy: str) -> None:
    pool, settings = headed_pool(1200), config.Select(strategy=strategy, budget=0.1, part_rows=300)
    chosen, whole = select(pool, settings, 5), select(pool, settings.model_copy(update={"part_rows": None}), 5)
    cost = cost_of_parts(pool, settings, 5, chosen)
    assert isinstance(cost, Mismatch) and cost.mismatch == coverage.mismatch(pool, chosen).mismatch
    assert 0 < coverage.mismatch(pool, whole).mismatch < cost.mismatch < 0.5
    assert f"miss those of all by {cost.mismatch:.3g} of what as many random rows do" in cost.sentence()
    undivided = settings.model_copy(update={"part_rows": len(pool)})
    assert cost_of_parts(pool, undivided, 5, chosen) is None


def test_what_matches_without_a_head_has_no_gradients(monkeypatch: pytest.MonkeyPatch) -> None:
    pool, settings = headed_pool(1200), config.Select(strategy="gradient_match", budget=0.1, part_rows=300)
    chosen = select(pool, settings, 5)
    monkeypatch.setattr(gradient_match, "NEEDS", ("embeddings",))
    assert cost_of_parts(pool, settings, 5, chosen) is None


def test_random_rows_mismatch_by_about_one_and_all_rows_by_nothing() -> None:
    pool = headed_pool(1200)
    settings = config.Select(strategy="random", budget=0.1, balance="none")
    found = [coverage.mismatch(pool, select(pool, settings, seed)) for seed in range(20)]
    assert np.mean([one.mismatch for one in found]) == pytest.approx(1, abs=0.15)
    every = select(pool, config.Select(strategy="all"), 0)
    assert coverage.mismatch(pool, every).mismatch == pytest.approx(0, abs=1e-4)


def _radius(pool: Pool, picks: Array, balance: str) -> float:
    x_ND = np.asarray(pool.embeddings, dtype=np.float64)
    distance_NK = np.linalg.norm(x_ND[:, None] - x_ND[picks], axis=2)
    if balance != "none":
        distance_NK[pool.labels[:, None] != pool.labels[picks]] = np.inf
    return float(distance_NK.min(axis=1).max())


@pytest.mark.parametrize(
    "given",
    [
        {"strategy": "k_center"},
        {"strategy": "k_center", "part_rows": 2000, "balance": "none"},
        {"strategy": "k_center", "part_rows": 1900},  # of a class, and no class has as many
        {"strategy": "el2n", "part_rows": 100},
        {"strategy": "random", "part_rows": 100},
    ],
)
def test_where_nothing_is_divided_there_is_no_error(given: dict[str, Any]) -> None:
    assert cost(rows(2000), config.Select(**given), 0) is None


def test_the_command_the_summary_and_the_log_say_it(tithe: Tithe, tiny_bert: Path, tmp_path: Path) -> None:
    file, out = write_rows(tmp_path / "rows.parquet", *make_texts(250)), tmp_path / "picks.parquet"
    asked = ("--strategy", "k_center", "--encoder", tiny_bert, "--max-length", 16, "--out", out)
    code, said, errors = tithe("select", file, *asked, "--set", "select.part_rows=100")
    summary = storage.read_json(out.with_suffix(".json"))
    parts, whole = summary["parts"]["in_parts"], summary["parts"]["at_once"]
    sentence = (
        f"picked in parts: of 500 sampled rows the farthest is {parts['radius']:.4g} from its nearest pick "
        f"({whole['radius']:.4g} if all rows are compared), the mean cosine to it {parts['cosine']:.4f} "
        f"({whole['cosine']:.4f})"
    )
    assert code == 0 and sentence in said.splitlines() and any(sentence in line for line in errors)
    tithe("select", file, *asked)
    assert "parts" not in storage.read_json(out.with_suffix(".json"))
