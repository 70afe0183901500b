"""What bought labels say of the model that learnt them."""

from __future__ import annotations

import numpy as np
import pytest

from tithe.select.buying.evidence import Evidence


def test_classes_far_apart_are_seen_and_random_labels_are_not() -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 4], [30, 20, 10])
    X = rng.normal(size=(60, 5)) + 10 * np.eye(5)[labels]
    seen = Evidence.of(X, labels, 0, 0.9)
    assert (seen.bought, seen.classes, seen.rows_per_class, seen.accuracy, seen.chance) == (60, 3, 20.0, 1.0, 0.5)
    blind = Evidence.of(rng.normal(size=(60, 5)), labels, 0, None)
    assert blind.accuracy < 0.7 and blind.agreement is None


@pytest.mark.parametrize("labels", [[3], [3, 3], [0, 1], [0, 1, 2]])
def test_few_labels_are_weighed_too(labels: list[int]) -> None:
    found = Evidence.of(np.eye(3)[: len(labels)], np.array(labels), 0, None)
    assert found.bought == len(labels) and 0 <= found.accuracy <= 1
