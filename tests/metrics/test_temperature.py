"""Temperature scaling: known answers, scikit-learn's result, and what it must not change."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression

from tithe import metrics
from tithe.errors import InputError
from tithe.metrics.temperature import Temperature
from tithe.models.inference import softmax


def drawn(classes: int, factor: float, rows: int = 20_000) -> tuple[np.ndarray, np.ndarray]:
    """Labels drawn from the probabilities of logits, and these logits times a factor."""
    rng = np.random.default_rng(classes)
    logits_NC = rng.normal(scale=2, size=(rows, classes))
    y_N = (softmax(logits_NC).cumsum(axis=1) > rng.random((rows, 1))).argmax(axis=1)
    return y_N, (factor * logits_NC).astype(np.float32)


@pytest.mark.parametrize("factor", [0.25, 1.0, 4.0])
@pytest.mark.parametrize("classes", [2, 7])
def test_the_factor_of_the_logits_is_found(classes: int, factor: float) -> None:
    y_N, logits_NC = drawn(classes, factor)
    found = Temperature.fit(y_N, logits_NC)
    assert found.temperature == pytest.approx(factor, rel=0.04) and found.rows == len(y_N)
    assert metrics.calibration_error(y_N, softmax(found.apply(logits_NC))) < 0.01


def test_scikit_learn_finds_the_same() -> None:
    rng = np.random.default_rng(0)
    y_N = rng.integers(0, 3, 4000)
    x_N2 = rng.normal(size=(4000, 2)) + np.stack([y_N == 1, y_N == 2], axis=1)
    model = LogisticRegression(C=1e-3).fit(x_N2, y_N)  # far too unsure of itself
    peer = CalibratedClassifierCV(FrozenEstimator(model), method="temperature").fit(x_N2, y_N)
    logits_NC = model.decision_function(x_N2)
    ours = softmax(Temperature.fit(y_N, logits_NC).apply(logits_NC))
    assert ours == pytest.approx(peer.predict_proba(x_N2), abs=2e-3)


def test_rows_that_are_all_right_do_not_make_every_probability_one() -> None:
    logits_NC = np.array([[1.0, 0.0], [0.0, 1.0]] * 5)
    found = Temperature.fit(np.array([0, 1] * 5), logits_NC)
    assert softmax(found.apply(logits_NC)).max() == pytest.approx(11 / 12, abs=1e-4), "(N + 1)/(N + 2), as in Platt"


def test_logits_that_say_nothing_give_equal_probabilities() -> None:
    y_N, logits_NC = drawn(3, 1.0, rows=300)
    probs_NC = softmax(Temperature.fit((y_N + 1) % 3, -np.abs(logits_NC)).apply(logits_NC))
    assert np.ptp(softmax(Temperature.fit(logits_NC.argmin(axis=1), logits_NC).apply(logits_NC))) < 0.1
    assert np.isfinite(probs_NC).all()


@pytest.mark.parametrize("temperature", [1 / 140, 1.0, 140.0])
def test_no_temperature_changes_the_class(temperature: float) -> None:
    logits_NC = drawn(5, 3.0, rows=2000)[1]
    logits_NC[:, 1] = np.nextafter(logits_NC[:, 0], np.float32(np.inf))  # as close as float32 can be
    scaled_NC = softmax(Temperature(temperature, 1).apply(logits_NC))
    assert (scaled_NC.argmax(axis=1) == softmax(logits_NC).argmax(axis=1)).all()
    if temperature == 1:
        assert (scaled_NC == softmax(logits_NC)).all(), "to the last bit"


@pytest.mark.parametrize("saved", [{}, {"slope": 1.0}, {"temperature": 0, "rows": 3}, {"temperature": "x", "rows": 3}])
def test_a_damaged_one_is_refused(saved: dict[str, float]) -> None:
    assert Temperature.from_dict(Temperature(2.5, 7).to_dict()) == Temperature(2.5, 7)
    with pytest.raises(InputError, match="a saved temperature is a positive number"):
        Temperature.from_dict(saved)
