"""k-means: groups that are there are found, always the same ones."""

from __future__ import annotations

import numpy as np

from tithe.select.geometry.clusters import kmeans


def test_groups_far_apart_are_clusters_whatever_the_first_centres() -> None:
    truth = np.repeat(np.arange(3), [40, 30, 20])
    X = np.random.default_rng(0).normal(size=(90, 4)) * 0.1 + 100 + 10 * np.eye(4)[truth]
    best = min((kmeans(X, 3, np.random.default_rng(seed)) for seed in range(8)), key=lambda c: float(c.squared.sum()))
    assert len({(int(a), int(b)) for a, b in zip(best.of, truth, strict=True)}) == 3
    means = np.stack([X[truth == c].mean(axis=0) for c in range(3)])
    distance = np.linalg.norm(X - means[truth], axis=1) ** 2
    assert np.allclose(best.squared, distance, atol=1e-3)


def test_each_row_is_of_its_nearest_centre_and_the_same_seed_gives_the_same_bytes() -> None:
    X = np.random.default_rng(1).normal(size=(5000, 8)).astype(np.float32)
    one, two = (kmeans(X, 7, np.random.default_rng(3)) for _ in range(2))
    assert one.of.tobytes() == two.of.tobytes() and one.centres.tobytes() == two.centres.tobytes()
    centred = X - X.mean(axis=0)
    squared = ((centred[:, None] - one.centres[None]) ** 2).sum(axis=2)
    assert (squared.argmin(axis=1) == one.of).mean() > 0.999 and np.bincount(one.of, minlength=7).min() > 0


def test_rows_all_alike_are_one_cluster_and_empty_ones() -> None:
    found = kmeans(np.ones((10, 3)), 4, np.random.default_rng(0))
    assert len(set(found.of)) == 1 and (found.squared == 0).all() and len(found.centres) == 4
