"""Calibration of scores: the fit, the band of verdicts, and what it promises."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from support.scores import EIGHT, EIGHT_SCORES, Array, drawn
from tithe.errors import InputError
from tithe.metrics import authenticity
from tithe.metrics.calibration import Calibration, calibrate


def smoothed(labels_N: Array) -> Array:
    reals, fakes = (labels_N == 1).sum(), (labels_N == 0).sum()
    return np.where(labels_N == 1, (reals + 1) / (reals + 2), 1 / (fakes + 2))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("apart", [0.5, 1.0, 4.0])
def test_the_fit_is_the_logistic_regression_on_smoothed_targets(seed: int, apart: float) -> None:
    labels_N, scores_N = drawn(seed, rows=90, decimals=6, apart=apart)
    found = calibrate(labels_N, scores_N)
    logit_N1 = (np.log(scores_N) - np.log1p(-scores_N))[:, None]
    t_N = smoothed(labels_N)  # a share t of a row is real, the rest of it is fake
    model = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000)
    both = np.repeat([1, 0], len(t_N))
    model.fit(np.concatenate([logit_N1, logit_N1]), both, sample_weight=np.concatenate([t_N, 1 - t_N]))
    assert (found.slope, found.offset) == pytest.approx((model.coef_[0, 0], model.intercept_[0]), rel=1e-4, abs=1e-4)


def test_a_known_distortion_is_undone() -> None:
    rng = np.random.default_rng(0)
    true_N = rng.uniform(0.02, 0.98, 40000)
    labels_N = (rng.random(len(true_N)) < true_N).astype(int)
    logit_N = np.log(true_N / (1 - true_N))
    scores_N = 1 / (1 + np.exp(-(2 * logit_N + 1)))  # too sure, and too trusting
    found = calibrate(labels_N, scores_N)
    assert (found.slope, found.offset) == pytest.approx((0.5, -0.5), abs=0.03)
    assert found.apply(scores_N) == pytest.approx(true_N, abs=0.02)
    before = authenticity.calibration_error(labels_N, scores_N)
    assert authenticity.calibration_error(labels_N, found.apply(scores_N)) < 0.15 * before


def test_verdicts_of_eight_images() -> None:
    found = calibrate(EIGHT, EIGHT_SCORES, error=0.0)  # no real below 0.4, no fake above 0.85
    expected = {0.3: "fake", 0.4: "unsure", 0.5: "unsure", 0.85: "unsure", 0.86: "real"}
    assert {score: found.verdict(score) for score in expected} == expected
    assert found.verdicts(np.array(list(expected))) == list(expected.values())
    assert [found.low, found.high] == found.apply(np.array([0.4, 0.85])).tolist()


def test_one_threshold_is_left_where_it_keeps_both_errors() -> None:
    found = calibrate(EIGHT, EIGHT_SCORES, error=0.25)  # one real below 0.6 and one fake above 0.4 are allowed
    assert found.low == found.high == pytest.approx(found.apply(np.array([0.4, 0.6])).mean())
    assert [found.verdict(score) for score in (0.4, 0.6)] == ["fake", "real"]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("error", [0.0, 0.01, 0.05, 0.29, 0.4])
@pytest.mark.parametrize("decimals", [1, 6])
def test_the_band_keeps_its_promise_and_is_no_wider_than_it_must_be(seed: int, error: float, decimals: int) -> None:
    labels_N, scores_N = drawn(seed, rows=300, decimals=decimals, apart=0.3)
    found = calibrate(labels_N, scores_N, error)
    said_N = np.array(found.verdicts(scores_N))
    p_N = found.apply(scores_N)
    assert (said_N[labels_N == 1] == "fake").mean() <= error
    assert (said_N[labels_N == 0] == "real").mean() <= error
    assert found.low <= found.high
    if found.low < found.high:  # one score further in, either side would break it
        assert (p_N[labels_N == 1] <= found.low).mean() > error
        assert (p_N[labels_N == 0] >= found.high).mean() > error


@pytest.mark.parametrize("seed", range(3))
def test_calibration_keeps_the_order(seed: int) -> None:
    labels_N, scores_N = drawn(seed)
    found = calibrate(labels_N, scores_N)
    assert found.slope > 0 and (np.diff(found.apply(np.linspace(0.001, 0.999, 500))) > 0).all()
    after = authenticity.summary(labels_N, found.apply(scores_N))
    assert after["auc"] == authenticity.summary(labels_N, scores_N)["auc"]


SAYING_NOTHING = [("reversed", EIGHT, 1 - EIGHT_SCORES), ("constant", EIGHT, np.full(8, 0.3))]


@pytest.mark.parametrize(("labels", "scores"), [c[1:] for c in SAYING_NOTHING], ids=[c[0] for c in SAYING_NOTHING])
def test_scores_that_say_nothing_are_not_turned_around(labels: Array, scores: Array) -> None:
    found = calibrate(labels, scores)
    assert found.slope == 0 and found.apply(scores) == pytest.approx(0.5)
    assert set(found.verdicts(np.linspace(0, 1, 11))) == {"unsure"}


def test_saturated_scores_of_classes_that_part_stay_finite() -> None:
    labels_N, scores_N = np.array([1] * 50 + [0] * 50), np.array([1.0] * 50 + [0.0] * 50, dtype=np.float32)
    found = calibrate(labels_N, scores_N)
    assert found.apply(scores_N) == pytest.approx(smoothed(labels_N))  # what Platt's targets are for
    assert found.low == found.high == pytest.approx(0.5)
    assert [found.verdict(score) for score in (0.0, 0.4, 0.6, 1.0)] == ["fake", "fake", "real", "real"]


def test_a_calibration_survives_json() -> None:
    found = calibrate(*drawn(0))
    assert Calibration.from_dict(json.loads(json.dumps(found.to_dict(), allow_nan=False))) == found
    assert all(type(value) is float for value in found.to_dict().values())


BAD_CALIBRATIONS: list[tuple[Callable[[], Any], str]] = [
    (lambda: calibrate(np.ones(3), np.full(3, 0.5)), "all images to calibrate on are real: add images of the other"),
    (lambda: calibrate(np.zeros(3), np.full(3, 0.5)), "all images to calibrate on are fake: add images of the other"),
    (lambda: calibrate(EIGHT, EIGHT_SCORES, 0.5), "the verdict error 0.5 is out of range"),
    (lambda: calibrate(EIGHT, EIGHT_SCORES, -0.1), "the verdict error -0.1 is out of range"),
    (lambda: Calibration.from_dict({"slope": 1.0}), "a calibration has error, high, low, offset, slope, not slope"),
]


@pytest.mark.parametrize(("call", "says"), BAD_CALIBRATIONS)
def test_bad_calibrations_are_refused(call: Callable[[], Any], says: str) -> None:
    with pytest.raises(InputError) as caught:
        call()
    assert says in str(caught.value) and "\n" not in str(caught.value)
