"""Known answers of the strategies that say which labels to buy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from support.pools import strategy
from tithe import config
from tithe.select import selection
from tithe.select.buying.evidence import Evidence, InnerSplit
from tithe.select.pool import Pool


def chosen(name: str, count: int, chosen_M: Any = None, **signals: Any) -> list[int]:
    arrays = {key: np.asarray(value, dtype=np.float64) for key, value in signals.items()}
    pool = Pool.of(None, np.arange(len(next(iter(arrays.values())))), arrays, chosen_M)
    module = strategy(name)
    options = getattr(module, "Options", config.Section)()
    if hasattr(module, "score"):
        score = module.score(pool, np.random.default_rng(0), options)
        return np.argsort(-score, kind="stable")[:count].tolist()
    return module.pick(pool, count, np.random.default_rng(0), options)[0].tolist()


def test_margin_takes_the_most_undecided() -> None:
    probs = [[0.5, 0.5, 0.0], [0.9, 0.1, 0.0], [0.4, 0.35, 0.25], [0.6, 0.2, 0.2]]
    assert chosen("margin", 4, probs=probs) == [0, 2, 3, 1]
    one_class = strategy("margin").score(Pool.of(None, np.arange(2), {"probs": np.ones((2, 1))}), None, None)
    assert one_class.tolist() == [-1, -1]


def test_typiclust_takes_the_middle_of_each_group_and_new_groups_first() -> None:
    rng = np.random.default_rng(0)
    centres = np.array([[0.0, 0.0], [50.0, 0.0], [0.0, 50.0]])
    groups = np.repeat([0, 1, 2], [60, 40, 20])
    X = centres[groups] + rng.normal(size=(120, 2))
    first = chosen("typiclust", 3, embeddings=X)
    assert sorted(groups[first]) == [0, 1, 2] and groups[first[0]] == 0, "the largest group comes first"
    assert (np.linalg.norm(X[first] - centres[groups[first]], axis=1) < 1).all()
    assert groups[chosen("typiclust", 1, chosen_M=centres[:2], embeddings=X)].tolist() == [2]


def test_prob_cover_takes_the_row_that_covers_most_then_what_is_left() -> None:
    rng = np.random.default_rng(0)
    groups = np.repeat([0, 1], [80, 40])
    X = np.array([[0.0, 0.0], [100.0, 0.0]])[groups] + rng.normal(size=(120, 2))
    pool = Pool.of(None, np.arange(120), {"embeddings": X})
    options = strategy("prob_cover").Options(clusters=2)
    rows, gains = strategy("prob_cover").pick(pool, 2, rng, options)
    assert groups[rows].tolist() == [0, 1] and gains[0] > 70 and gains[1] > 30, "a neighborhood is as wide as a group"
    seen = Pool.of(None, np.arange(120), {"embeddings": X}, chosen=X[:1])
    rows, gains = strategy("prob_cover").pick(seen, 1, rng, options)
    assert groups[rows].tolist() == [1] and gains[0] > 30


def test_herding_follows_the_mean() -> None:
    X = np.array([[-2.0], [-1.0], [0.0], [1.0], [2.5]])  # mean 0.1
    order, distance = strategy("herding").herd(X, 3)
    assert order.tolist()[0] == 2 and abs(distance[0] - 0.1) < 1e-12
    assert np.allclose(distance[2], abs(0.1 - X[order].mean()))
    probs = np.eye(2)[[0] * 30 + [1] * 10]
    rows = chosen("herding", 8, embeddings=np.random.default_rng(1).normal(size=(40, 3)), probs=probs)
    assert np.bincount(np.array(rows) >= 30).tolist() == [6, 2], "classes in proportion to their predicted sizes"


def test_badge_begins_with_the_largest_gradient_and_leaves_copies_for_last() -> None:
    X = np.array([[1.0, 0.0]] * 3 + [[0.0, 3.0]] + [[1.0, 1.0]])
    probs = np.array([[0.6, 0.4]] * 5)
    rows = chosen("badge", 5, embeddings=X, probs=probs)
    assert rows[0] == 3, "‖p − onehot‖ is the same for all, ‖x‖ largest there"
    assert len(set(rows)) == 5 and len({*rows[:3]} & {0, 1, 2}) == 1
    explicit = np.einsum("nc,nd->ncd", probs - np.eye(2)[[0] * 5], X).reshape(5, -1)
    pool = Pool.of(None, np.arange(5), {"embeddings": X, "probs": probs})
    _, scores = strategy("badge").pick(pool, 2, np.random.default_rng(0), None)
    rows = chosen("badge", 2, embeddings=X, probs=probs)
    assert np.isclose(scores[1], np.linalg.norm(explicit[rows[1]] - explicit[rows[0]]), atol=1e-6)


@pytest.mark.parametrize(("random", "by_margin"), [(0.0, 10), (0.5, 5), (0.25, 8)])
def test_mix_takes_turns_and_no_row_twice(random: float, by_margin: int) -> None:
    p = np.linspace(0.5, 1, 200)
    pool = Pool.of(None, np.arange(200), {"probs": np.stack([p, 1 - p], axis=1)})
    options = strategy("mix").Options(random=random)
    rows, scores = strategy("mix").pick(pool, 10, np.random.default_rng(0), options)
    assert len(set(rows)) == 10 and (rows < 12).sum() >= by_margin and rows[0] == 0 and scores[0] == 0
    every, _ = strategy("mix").pick(pool, 200, np.random.default_rng(0), options)
    assert sorted(every) == list(range(200))


def evidence(rows_per_class: float) -> Evidence:
    return Evidence(60, 3, rows_per_class, 0.8, 0.4, 0.9)


@pytest.mark.parametrize(
    ("known", "strategy_name", "says"),
    [
        (None, "typiclust", "no label is known"),
        (evidence(4), "typiclust", "4 rows of a typical class"),
        (evidence(15), "mix", "the model sees"),
    ],
)
def test_auto_covers_while_blind_and_hesitates_when_it_sees(known: Any, strategy_name: str, says: str) -> None:
    module = strategy("auto")
    decision = module.decide(known, module.Options())
    assert decision.strategy == strategy_name and says in decision.reason
    assert dict(decision.options) == ({"random": 0.1} if strategy_name == "mix" else {})


WORTH = {
    "the best": ((0.70, 0.71, 0.80, 0.77, 0.75), ("gradient_match", {})),
    "a filter": ((0.70, 0.78, 0.70, 0.77, 0.75), ("random", {"noise": 0.3})),
    "no more than chance": ((0.70, 0.71, 0.712, 0.70, 0.60), ("random", {})),
    "equal accuracies": ((0.70, 0.71, 0.80, 0.78, 0.79), ("sensitivity", {})),
}


@pytest.mark.parametrize("name", WORTH)
def test_auto_takes_what_an_inner_split_shows_beyond_its_error(name: str) -> None:
    accuracies, (chosen_strategy, chosen_filter) = WORTH[name]
    module = strategy("auto")
    losses = (0.1, 0.6, 0.5, 0.6, 0.4)
    decision = module.decide(InnerSplit(module.candidates(True), accuracies, losses, 1000, True), module.Options())
    assert (decision.strategy, dict(decision.filter)) == (chosen_strategy, chosen_filter)
    assert "1000 held-out rows" in decision.reason and "omp 0." in decision.reason
    trained = [candidate.name for candidate in module.candidates(False)]
    assert trained == ["random", "random after filter noise"], "what matches a head is of use to no other"


def test_auto_needs_rounds_to_decide_in() -> None:
    pool = Pool.of(None, np.arange(4), {"embeddings": np.eye(4), "probs": np.full((4, 2), 0.5)})
    with pytest.raises(Exception, match="score, pick or match"):
        selection.select(pool, config.Select(strategy="auto", track="T0"), 0)
