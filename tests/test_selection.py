"""The selection core: budgets, quotas, order and ties; and every strategy by one contract and its known answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from tithe import config, geometry, plugins, reasons, rounds, selection
from tithe.errors import InputError
from tithe.pool import Pool
from tithe.ranking import entropy, length_bins, ranks

NAMES = [
    *("all", "random", "perplexity", "el2n", "ifd", "aflite_readability"),
    *("k_center", "entropy_diversity", "lexical_diversity", "qdit_lite", "edfs_lite"),
]


def pool(rows: int = 120, classes: int = 3, seed: int = 0) -> Pool:
    """A pool with every signal that any strategy needs."""
    rng = np.random.default_rng(seed)
    labels = np.sort(rng.integers(0, classes, rows))[rng.permutation(rows)]
    labels[:classes] = np.arange(classes)
    probs_NC = rng.dirichlet(np.ones(classes), rows)
    signals = {
        "embeddings": rng.normal(size=(rows, 8)).astype(np.float32),
        "probs": probs_NC,
        "proxy_probs": rng.dirichlet(np.ones(classes), (rows, 4)).astype(np.float32),
        "perplexity": rng.lognormal(3, 1, rows),
        "conditional_loss": rng.exponential(1, rows),
        "prior_loss": -np.log(np.bincount(labels) / rows)[labels],
        "readability": rng.normal(60, 20, rows),
        "lengths": rng.integers(3, 40, rows),
        **{name: rng.random(rows) for name in ("hdd", "mtld", "ttr")},
    }
    return Pool.of(labels, np.arange(rows) * 10, signals)


def select(found: Pool, strategy: str = "random", seed: int = 0, **settings: Any) -> selection.Selection:
    return selection.select(found, config.Select(strategy=strategy, **settings), seed)


# ---- budget and quotas


@pytest.mark.parametrize(
    "rows, share, count", [(1155, 0.1, 116), (1154, 0.1, 115), (10, 0.05, 1), (10, 0.25, 3), (7, 1.0, 7), (3, 0.01, 1)]
)
def test_the_budget_is_rounded_half_up(rows: int, share: float, count: int) -> None:
    assert selection.budget(rows, share) == count


def test_quotas_are_exact_where_rounding_each_class_is_not() -> None:
    labels = np.repeat(np.arange(77), 15)
    count = selection.budget(len(labels), 0.1)
    quota_C = selection.quotas(labels, 115, "stratified", 1)
    assert count == 116 and quota_C.sum() == 115 and set(quota_C) == {1, 2}
    assert quota_C.sum() != 77 * round(0.1 * 15)


def test_no_class_starves_and_uniform_is_uniform() -> None:
    labels = np.repeat([0, 1, 2], [96, 3, 1])
    assert selection.quotas(labels, 10, "stratified", 1).tolist() == [8, 1, 1]
    assert selection.quotas(labels, 10, "stratified", 0).tolist() == [10, 0, 0]
    assert selection.quotas(labels, 10, "uniform", 1).tolist() == [6, 3, 1]
    with pytest.raises(InputError, match=r"gives 2 rows, fewer than the 3 that 3 classes need"):
        selection.quotas(labels, 2, "stratified", 1)


@pytest.mark.parametrize("budget", [0.0, -0.1, 1.1, float("nan")])
def test_a_budget_is_a_share(budget: float) -> None:
    with pytest.raises(InputError, match="budget"):
        config.section(config.Select, {"budget": budget}, "config")


# ---- the contract of all


def test_the_eleven_are_there() -> None:
    assert set(NAMES) <= set(plugins.names("strategies"))


@pytest.mark.parametrize("balance", ["stratified", "uniform", "none"])
@pytest.mark.parametrize("name", plugins.names("strategies"))
def test_every_strategy_keeps_the_contract(name: str, balance: str) -> None:
    found = pool()
    before = {key: np.array(value) for key, value in found.signals.items()}
    for share in (0.02, 0.1, 0.37, 1.0):
        floor = 0 if share < 0.05 else 1
        got = select(found, name, seed=3, budget=share, balance=balance, floor=floor)
        count = len(found) if name == "all" else selection.budget(len(found), share)
        assert len(got) == count and (np.diff(got.rows) > 0).all() and got.rows[0] >= 0 and got.rows[-1] < len(found)
        assert sorted(got.rank) == list(range(count)) and got.score.shape == (count,) and np.isfinite(got.score).all()
        again = select(found, name, seed=3, budget=share, balance=balance, floor=floor)
        assert (again.rows == got.rows).all() and (again.rank == got.rank).all() and (again.score == got.score).all()
        if balance == "stratified" and name != "all":
            quota_C = selection.quotas(found.labels, count, balance, floor)
            assert np.bincount(found.labels[got.rows], minlength=len(quota_C)).tolist() == quota_C.tolist()
    for key, value in found.signals.items():
        assert (np.asarray(value) == before[key]).all() and not value.flags.writeable


@pytest.mark.parametrize("name", [n for n in plugins.names("strategies") if n not in ("all", "edfs_lite")])
def test_a_smaller_budget_is_a_part_of_a_larger_one(name: str) -> None:
    found = pool(400)
    small, large = (select(found, name, seed=1, budget=b, balance="none", floor=0) for b in (0.05, 0.1))
    assert set(small.rows) <= set(large.rows)
    small, large = (select(found, name, seed=1, budget=b) for b in (0.05, 0.1))
    assert set(small.rows) <= set(large.rows)


@pytest.mark.parametrize("name", NAMES)
def test_one_class_and_one_row_are_no_obstacle(name: str) -> None:
    found = pool(30)
    single = Pool.of(np.zeros(30, dtype=np.int64), found.ids, {**found.signals, "probs": np.ones((30, 1))})
    single = Pool.of(single.labels, single.ids, {**single.signals, "proxy_probs": np.ones((30, 2, 1))})
    assert len(select(single, name, budget=0.01)) == (30 if name == "all" else 1)


@pytest.mark.parametrize("name", NAMES)
def test_rows_that_are_all_alike_are_no_obstacle(name: str) -> None:
    found = pool(40)
    alike = {key: np.repeat(np.asarray(value)[:1], 40, axis=0) for key, value in found.signals.items()}
    got = select(Pool.of(found.labels, found.ids, alike), name, budget=0.2)
    assert len(got) == (40 if name == "all" else 8)


@pytest.mark.parametrize(
    "signal, strategy", [("embeddings", "k_center"), ("probs", "qdit_lite"), ("perplexity", "perplexity")]
)
def test_what_is_not_a_number_names_its_row(signal: str, strategy: str) -> None:
    found = pool(30)
    broken = np.array(found.signals[signal], dtype=float)
    broken[7] = np.nan
    with pytest.raises(InputError, match=f"signal '{signal}' is not a number for row 70 of the data file"):
        select(Pool.of(found.labels, found.ids, {**found.signals, signal: broken}), strategy)


@pytest.mark.parametrize(
    "settings, says",
    [
        ({"strategy": "k_centre"}, "unknown strategies name 'k_centre': did you mean 'k_center'"),
        ({"strategy": "el2n", "options": {"drop": 0.1}}, "unknown key 'drop' in select.options of el2n"),
        ({"strategy": "entropy_diversity", "options": {"weight": 2.0}}, "weight = 2.0 should be less than"),
        ({"strategy": "random", "options": {"weight": 2.0}}, "unknown key 'weight'"),
    ],
)
def test_mistakes_are_one_line(settings: Mapping[str, Any], says: str) -> None:
    with pytest.raises(InputError) as caught:
        selection.select(pool(), config.Select(**settings), 0)
    assert says in str(caught.value) and "\n" not in str(caught.value)


def test_a_strategy_sees_what_it_declared_and_nothing_else() -> None:
    own = pool().only(("probs",))
    assert own.probs.shape == (120, 3)
    with pytest.raises(AttributeError, match="no signal 'embeddings'"):
        _ = own.embeddings


def test_ties_go_to_the_lowest_row_and_higher_is_kept() -> None:
    found = Pool.of(np.zeros(6, dtype=np.int64), np.arange(6), {"proxy_probs": np.full((6, 1, 2), 0.5)})
    got = select(found, "el2n", budget=0.5, options={"drop_hardest": 0.0})
    assert got.rows.tolist() == [0, 1, 2] and got.rank.tolist() == [0, 1, 2]


# ---- rounds


@pytest.mark.parametrize("balance", ["stratified", "uniform", "none"])
@pytest.mark.parametrize("name", [n for n in plugins.names("strategies") if n != "all"])
def test_rounds_are_disjoint_and_sum_to_the_budget(name: str, balance: str) -> None:
    found, asked = pool(), config.Select(strategy=name, budget=0.3, balance=balance, rounds=4, first=name)
    history = rounds.History.empty()
    for number in range(4):
        assert history.done == number
        history = rounds.choose(found, asked, 7, history)
    assert len(history.rows) == len(set(history.rows)) == selection.budget(len(found), 0.3) == 36
    assert np.bincount(history.rounds).tolist() == [9, 9, 9, 9] == np.diff([0, *rounds.totals(120, asked)]).tolist()
    if balance == "stratified":
        counts = np.bincount(found.labels[history.rows]).tolist()
        assert counts == selection.quotas(found.labels, 36, balance, 1).tolist()
    again = rounds.History.from_json(history.as_json())
    assert (again.rows == history.rows).all() and (again.selection().rank == history.selection().rank).all()


def test_a_later_round_keeps_away_from_what_is_chosen() -> None:
    corners = np.array([[0, 0], [0, 9], [9, 0], [9, 9], [0, 1], [8, 9]], dtype=np.float32)
    found = Pool.of(np.zeros(6, dtype=np.int64), np.arange(6), {"embeddings": corners})
    asked = config.Select(strategy="k_center", balance="none", floor=0)
    first = selection.select(found, asked, 0, total=2)
    second = selection.select(found, asked, 0, taken=first.rows, total=4)
    once = selection.select(found, asked, 0, total=4)
    assert sorted([*first.rows, *second.rows]) == once.rows.tolist()


@pytest.mark.parametrize("rows, share, number, after", [(100, 0.1, 3, [3, 6, 10]), (10, 0.2, 2, [1, 2])])
def test_shares_of_rounds_end_with_the_whole_budget(rows: int, share: float, number: int, after: list[int]) -> None:
    assert rounds.totals(rows, config.Select(budget=share, rounds=number)) == after
    with pytest.raises(InputError, match=r"select.rounds 99 is more than the \d+ rows of the budget"):
        rounds.totals(rows, config.Select(budget=share, rounds=99))


# ---- reasons


def test_a_row_is_told_why() -> None:
    found, names = pool(), ("a", "b", "c")
    asked = config.Select(strategy="perplexity", budget=0.1)
    got = selection.select(found, asked, 0)
    chosen, left = int(got.rows[3]), int(np.setdiff1d(np.arange(120), got.rows)[0])
    said = reasons.explain(found, got, asked, 0, names, chosen * 10)
    assert said.startswith(
        f"row {chosen * 10} (class {names[found.labels[chosen]]}) was chosen: rank {got.rank[3] + 1} of 12"
    )
    score_N = selection.scores(found, asked, 0)
    assert score_N is not None
    said = reasons.explain(found, got, asked, 0, names, left * 10)
    label = found.labels[left]
    lowest = score_N[got.rows[found.labels[got.rows] == label]].min()
    assert f"down to a score of {lowest:.4f}; it has {score_N[left]:.4f}" in said and lowest >= score_N[left]
    near = config.Select(strategy="k_center", budget=0.1)
    said = reasons.explain(found, selection.select(found, near, 0), near, 0, names, left * 10)
    assert "the nearest of them is row" in said or "was chosen" in said
    with pytest.raises(InputError, match="row 7 is not among the 120 rows"):
        reasons.explain(found, got, asked, 0, names, 7)


# ---- known answers


def strategy(name: str) -> Any:
    return plugins.load("strategies", name)


@pytest.mark.parametrize(
    "logits, label, norm",
    [([0, 0], 0, 0.707107), ([2, 0, 0], 0, 0.260888), ([2, 0, 0], 1, 1.195416), ([1] * 10, 3, 0.948683)],
)
def test_el2n_norms(logits: list[float], label: int, norm: float) -> None:
    p = np.exp(logits) / np.exp(logits).sum()
    assert strategy("el2n").error_norms(p[None, None], np.array([label]))[0, 0] == pytest.approx(norm, abs=1e-6)


def test_el2n_keeps_the_highest_after_the_very_highest() -> None:
    errors = np.linspace(0, 0.9, 10)
    found = Pool.of(
        np.zeros(10, dtype=np.int64), np.arange(10), {"proxy_probs": np.stack([1 - errors, errors], -1)[:, None]}
    )
    assert select(found, "el2n", budget=0.3, options={"drop_hardest": 0.2}).rows.tolist() == [5, 6, 7]


def test_ifd_is_the_ratio_of_losses_and_drops_what_misleads() -> None:
    found = strategy("ifd").ratio(-np.log([0.8]), -np.log([0.5]))
    assert found[0] == pytest.approx(0.321928, abs=1e-6)
    made = {"conditional_loss": np.array([0.1, 0.9, 1.5, 0.5]), "prior_loss": np.ones(4)}
    got = select(Pool.of(np.zeros(4, dtype=np.int64), np.arange(4), made), "ifd", budget=0.5)
    assert got.rows.tolist() == [1, 3]


def test_perplexity_keeps_the_lowest_of_each_length() -> None:
    lengths = np.repeat([5, 50], 10)
    perplexity = np.concatenate([np.arange(10) + 100, np.arange(10) + 10.0])
    perplexity[0] = np.inf
    got = select(
        Pool.of(np.zeros(20, dtype=np.int64), np.arange(20), {"perplexity": perplexity, "lengths": lengths}),
        "perplexity",
        budget=0.2,
    )
    assert got.rows.tolist() == [1, 2, 10, 11]


def test_zero_weight_is_k_center_and_full_weight_is_entropy() -> None:
    found = pool(60, classes=2)
    centre = select(found, "k_center", budget=0.2, balance="none", floor=0)
    quality_N = entropy(found.probs)
    for name, best_N in (("entropy_diversity", quality_N), ("qdit_lite", 1 - quality_N)):
        zero = select(found, name, budget=0.2, balance="none", floor=0, options={"weight": 0.0})
        assert (zero.rows == centre.rows).all() and (zero.rank == centre.rank).all()
        full = select(found, name, budget=0.2, balance="none", floor=0, options={"weight": 1.0})
        assert full.rows.tolist() == sorted(np.argsort(-best_N, kind="stable")[:12].tolist())


@pytest.mark.parametrize(
    "total, sizes, shares",
    [
        (30, [2, 10, 100], [2, 10, 18]),
        (31, [0, 5, 5, 50], [0, 5, 5, 21]),
        (7, [9, 9, 9], [3, 2, 2]),
        (99, [1, 2, 3], [1, 2, 3]),
    ],
)
def test_water_is_filled_level(total: int, sizes: list[int], shares: list[int]) -> None:
    assert strategy("edfs_lite").water_fill(total, sizes) == shares


def test_edfs_takes_from_every_third_and_equals_k_center_in_one() -> None:
    found = pool(90, classes=2)
    order, _ = strategy("edfs_lite").pick(found, 30, np.random.default_rng(0), None)
    third_N = np.argsort(np.argsort(entropy(found.probs), kind="stable"), kind="stable") // 30
    assert third_N[order].tolist() == [0] * 10 + [1] * 10 + [2] * 10
    easy = np.flatnonzero(third_N == 0)
    assert (order[:10] == easy[geometry.greedy(found.embeddings[easy], 10).rows_K]).all()


def test_aflite_removes_planted_artifacts_first() -> None:
    aflite, shares = strategy("aflite_readability"), []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        X_ND, labels = rng.normal(size=(1000, 50)).astype(np.float32), rng.integers(0, 2, 1000)
        planted_N = rng.permutation(1000) < 500
        X_ND[planted_N, 0] = np.where(labels[planted_N] == 1, 4, -4)
        found_N = aflite.predictability(X_ND, labels, aflite.Options(models=32, slices=10), rng)
        shares.append(planted_N[np.argsort(-found_N, kind="stable")[:500]].mean())
    assert min(shares) >= 0.93 and np.mean(shares) >= 0.94


@pytest.mark.parametrize("keep, best", [("easy", 2), ("hard", 1), ("mid", 0)])
def test_aflite_of_one_class_goes_by_readability(keep: str, best: int) -> None:
    signals = {"embeddings": np.zeros((3, 2), np.float32), "readability": np.array([50.0, 10.0, 90.0])}
    found = Pool.of(np.zeros(3, dtype=np.int64), np.arange(3), signals)
    assert select(found, "aflite_readability", budget=0.3, options={"keep": keep}).rows.tolist() == [best]


def test_lexical_diversity_is_judged_among_texts_of_like_length() -> None:
    lengths = np.repeat([5, 50], 10)
    value = np.concatenate([np.linspace(0, 0.1, 10), np.linspace(0.5, 0.9, 10)])
    signals = {**dict.fromkeys(("hdd", "mtld", "ttr"), value), "lengths": lengths}
    got = select(Pool.of(np.zeros(20, dtype=np.int64), np.arange(20), signals), "lexical_diversity", budget=0.2)
    assert got.rows.tolist() == [8, 9, 18, 19]


def test_random_prefixes_nest_and_seeds_differ() -> None:
    found = pool(200)
    a, b = (select(found, seed=1, budget=share, balance="none", floor=0) for share in (0.1, 0.2))
    assert set(a.rows) < set(b.rows) and set(a.rows) != set(select(found, seed=2, budget=0.1).rows)
    by_rank = b.rows[np.argsort(b.rank)]
    assert set(by_rank[: len(a)]) == set(a.rows)


def test_ranks_share_ties_and_put_the_unknown_in_the_middle() -> None:
    assert ranks(np.array([3.0, 1.0, 3.0, 2.0])).tolist() == pytest.approx([5 / 6, 0, 5 / 6, 1 / 3])
    assert ranks(np.array([1.0, np.nan, 2.0])).tolist() == [0, 0.5, 1]
    assert ranks(np.array([5.0, 1.0, 2.0, 9.0]), np.array([0, 1, 1, 0])).tolist() == [0, 0, 1, 1]
    assert len(np.unique(length_bins(np.arange(100)))) == 10 and set(length_bins(np.full(9, 4))) == {0}
