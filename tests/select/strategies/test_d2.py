"""D2 by hand: five points, two of them near each other, and near nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from support.pools import strategy
from tithe.select.pool import Pool

ANGLES = np.radians([0, 10, 90, 175, 265])
ERRORS = np.array([1.0, 0.9, 0.3, 0.8, 0.2])


def pick(count: int, **options: float) -> tuple[list[int], list[float]]:
    probs_NRC = np.stack([1 - ERRORS / np.sqrt(2), ERRORS / np.sqrt(2)], -1)[:, None]
    signals = {"embeddings": 3 * np.stack([np.cos(ANGLES), np.sin(ANGLES)], -1), "proxy_probs": probs_NRC}
    found, d2 = Pool.of(np.zeros(5, dtype=np.int64), np.arange(5), signals), strategy("d2")
    rows, scores = d2.pick(found, count, np.random.default_rng(0), d2.Options.model_validate(options))
    return rows.tolist(), scores.tolist()


def chord(degrees: float) -> float:
    return float(2 * np.sin(np.radians(degrees) / 2))


def test_messages_by_hand() -> None:
    rows, scores = pick(3, neighbors=1, gamma=0.1, drop_hardest=0.0)
    # Rows 0 and 1 are the neighbors of each other, 10° apart; row 1 is that of 2, 80° away; 2 of 3, 85°; 3 of 4, 90°.
    first, second = (own + np.exp(-chord(10)) * other for own, other in ((1.0, 0.9), (0.9, 1.0)))
    third, fourth, fifth = (
        own + np.exp(-chord(angle)) * other for own, angle, other in ((0.3, 80, 0.9), (0.8, 85, 0.3), (0.2, 90, 0.8))
    )
    # Row 0 takes its part from row 1, and row 3 from row 2: so row 4 is next, though its score was the lowest.
    assert rows == [0, 3, 4] and scores == pytest.approx([first, fourth, fifth], abs=1e-5)
    left = second - np.exp(-0.1 * chord(10)) * first, third - np.exp(-0.1 * chord(85)) * fourth
    assert fifth < third < second and max(left) < fifth
    assert pick(5, neighbors=1, gamma=0.1, drop_hardest=0.0)[1][3:] == pytest.approx(
        sorted(left, reverse=True), abs=1e-5
    )


def test_the_hardest_come_last() -> None:
    rows, _ = pick(5, drop_hardest=0.4)
    assert set(rows[:3]) == {2, 3, 4} and rows[3:] == [1, 0]


def test_without_messages_it_is_the_order_of_errors() -> None:
    assert pick(5, neighbors=1, gamma=1000, drop_hardest=0.0)[0][:2] == [0, 1]
