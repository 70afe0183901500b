"""The learning curve of bought labels: known curves, known data, and no answer where there can be none."""

from __future__ import annotations

import numpy as np
import pytest

from tithe.arrays import Array, Rows
from tithe.select.buying.advice import _round, advise
from tithe.select.buying.expect import _Curve, expected


def planted(rows: int, shift: float, seed: int = 0) -> tuple[Array, Rows]:
    """Two classes in five dimensions, `shift` apart in one of them."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, rows)
    X_ND = rng.normal(size=(rows, 5))
    X_ND[:, 0] += shift * labels
    return X_ND, labels


@pytest.mark.parametrize("a, b, c", [(0.9, 1.0, 0.5), (0.7, 0.4, 0.25), (0.6, 0.0, 1.0)])
def test_an_exact_curve_is_continued_exactly(a: float, b: float, c: float) -> None:
    sizes = np.array([20, 40, 80, 160])
    curve = _Curve.fit(sizes, (a - b * sizes**-c)[None])
    assert curve.at(1000)[0] == pytest.approx(a - b * 1000**-c, abs=1e-9)


def test_a_curve_never_falls_and_never_passes_one() -> None:
    sizes = np.array([10, 20, 40, 80])
    falling, steep = _Curve.fit(sizes, np.array([[0.8, 0.7, 0.6, 0.5], [0.1, 0.5, 0.8, 1.0]])).at(10**6)
    assert falling == pytest.approx(0.65) and steep <= 1


def test_where_a_curve_gets_flat() -> None:
    sizes = np.array([20, 40, 80, 160])
    flat = _Curve.fit(sizes, (0.9 - 2 * sizes**-0.5)[None]).flat_from(160)
    assert flat == 737, "the slope 2·0.5·n^−1.5 is 0.005 / 100"
    assert _Curve.fit(sizes, (0.9 - 2 * sizes**-0.5)[None]).flat_from(flat) is None


def test_where_it_gets_flat_has_an_interval_too() -> None:
    expectation = expected(*planted(60, shift=1.5), rows=200, seed=0)
    assert expectation and expectation.flat_from and expectation.flat_between
    low, high = expectation.flat_between
    assert 60 <= low <= expectation.flat_from <= high and low < high
    assert advise(expectation, 200, None).sentence.endswith(f"labels on ({_round(low)} to {_round(high)})")


def test_classes_far_apart_have_nothing_to_gain() -> None:
    expectation = expected(*planted(60, shift=12), rows=60, seed=0)
    assert expectation and expectation.now.value > 0.97 and expectation.gain.value < 0.03
    assert expectation.per_hundred == pytest.approx(expectation.gain.value / 0.6)


def test_no_gain_leads_past_an_accuracy_of_one() -> None:
    expectation = expected(*planted(40, shift=3), rows=600, seed=0)
    assert expectation and expectation.after.high == 1
    assert expectation.gain.high <= 1 - expectation.now.low


def test_classes_that_overlap_have() -> None:
    expectation = expected(*planted(60, shift=1.5), rows=200, seed=0)
    assert expectation and 0.5 < expectation.now.value < 0.95
    for one in (expectation.now, expectation.after, expectation.gain):
        assert one.low <= one.value <= one.high and one.high - one.low > 0.01
    assert [labels for labels, _ in expectation.curve] == [12, 19, 31, 48]
    assert expected(*planted(60, shift=1.5), rows=200, seed=0) == expectation


def test_a_gain_is_the_less_sure_the_more_labels_are_new_and_the_fewer_there_are() -> None:
    def width(bought: int, rows: int) -> float:
        expectation = expected(*planted(bought, shift=1.5), rows=rows, seed=0)
        assert expectation
        return expectation.gain.high - expectation.gain.low

    few, many = width(60, 20), width(60, 120)
    assert 0.05 < few < many < 0.3 and width(240, 80) < width(60, 20) * 1.2


@pytest.mark.parametrize("labels", [np.arange(19) % 2, np.zeros(40, dtype=np.int64)], ids=["few", "one class"])
def test_without_labels_of_two_classes_nothing_is_expected(labels: Rows) -> None:
    assert expected(np.ones((len(labels), 3)), labels, rows=10, seed=0) is None
