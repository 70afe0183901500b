"""The distance to the nearest class mean: known answers, and what it must not depend on."""

from __future__ import annotations

import numpy as np
import pytest

from tithe.metrics.distance import ClassDistance


def clouds(rows: int = 400, width: int = 6) -> tuple[np.ndarray, np.ndarray]:
    """Two classes, far apart in the first dimension, wide in the last."""
    rng = np.random.default_rng(0)
    labels_N = np.arange(rows) % 2
    spread_D = np.array([0.02] * (width - 1) + [0.2])
    embeddings_ND = rng.normal(size=(rows, width)) * spread_D
    embeddings_ND[:, 0] += np.where(labels_N, 1, -1)
    return embeddings_ND, labels_N


def test_a_step_counts_by_how_far_the_classes_spread_in_its_direction() -> None:
    embeddings_ND, labels_N = clouds()
    distance = ClassDistance.fit(embeddings_ND, labels_N)
    mean_D = embeddings_ND[labels_N == 1].mean(axis=0)
    across, along = mean_D + 0.15 * np.eye(6)[1], mean_D + 0.15 * np.eye(6)[5]
    near, narrow, wide = distance.to(np.stack([mean_D, across, along]))
    assert near < 1 and narrow > 3 * wide > 3 * near


def test_rows_of_the_classes_have_the_distance_of_their_width() -> None:
    """The mean square of a whitened distance is the number of dimensions."""
    rng = np.random.default_rng(1)
    embeddings_ND = rng.normal(size=(4000, 5)) * 0.1 + np.eye(5)[0]
    squared_N = ClassDistance.fit(embeddings_ND, np.zeros(4000, dtype=int)).to(embeddings_ND) ** 2
    assert squared_N.mean() == pytest.approx(5, rel=0.05)


def test_the_length_of_an_embedding_does_not_count() -> None:
    embeddings_ND, labels_N = clouds()
    distance = ClassDistance.fit(embeddings_ND, labels_N)
    assert distance.to(7 * embeddings_ND) == pytest.approx(distance.to(embeddings_ND))
    assert np.isfinite(distance.to(np.zeros((1, 6)))).all()


def test_fewer_rows_than_dimensions_and_a_class_of_one_row() -> None:
    embeddings_ND = np.random.default_rng(0).normal(size=(9, 40))
    distance = ClassDistance.fit(embeddings_ND.astype(np.float32), np.array([0] * 4 + [3] * 4 + [7]))
    assert distance.means_CD.shape == (3, 40) and np.isfinite(distance.to(embeddings_ND)).all()
    assert distance.to(embeddings_ND[:0]).shape == (0,)
    assert (distance.to(-embeddings_ND) > distance.to(embeddings_ND)).mean() > 0.8


def test_columns_beyond_those_that_it_was_fitted_on_have_no_part() -> None:
    embeddings_ND, labels_N = clouds()
    distance = ClassDistance.fit(embeddings_ND, labels_N)
    wider = np.concatenate([embeddings_ND, np.full((len(embeddings_ND), 3), 1e3)], axis=1)
    assert np.array_equal(distance.to(wider), distance.to(embeddings_ND))
