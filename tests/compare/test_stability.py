"""Scatter, spikes and overfitting of a loss, by known answers."""

from __future__ import annotations

import numpy as np
import pytest

from tithe.compare.stability import measure_overfitting, measure_stability, running_median


def test_a_smooth_loss_has_no_scatter() -> None:
    assert measure_stability([0.7] * 40, 2) == (0, 0, "steady")
    falling = measure_stability(list(np.linspace(2, 1, 60)), 2)
    assert falling and falling.spikes == 0 and falling.scatter < 0.01 and falling.word == "steady"


def test_a_spike_is_counted_and_a_few_of_them_are_no_jumpy_run() -> None:
    losses = [0.5] * 100
    losses[50] = 5.0
    found = measure_stability(losses, 2)
    assert found and found.spikes == 1 and found.word == "restless"
    assert found.scatter == pytest.approx((4.5 / 100) / np.log(2))
    assert measure_stability([*losses, *([0.5] * 50)], 2).word == "steady"


def test_the_measure_is_the_loss_of_a_guess_among_the_classes() -> None:
    losses = [0.1, 0.9] * 50
    of_two, of_many = (measure_stability(losses, classes) for classes in (2, 50))
    assert of_two and of_many and of_two.scatter == pytest.approx(of_many.scatter * np.log(50) / np.log(2))
    assert of_two.word == "jumpy" and of_many.word == "steady"


def test_near_zero_many_times_the_median_is_no_spike() -> None:
    losses = [0.01] * 50
    losses[25] = 0.1
    found = measure_stability(losses, 2)
    assert found and found.spikes == 0


@pytest.mark.parametrize(("noise", "word"), [(0.1, "steady"), (0.26, "restless"), (0.6, "jumpy")])
def test_scatter_has_a_word(noise: float, word: str) -> None:
    losses = (0.7 + noise * np.random.default_rng(0).normal(size=400)).clip(0)
    found = measure_stability(list(losses), 2)
    assert found and found.word == word


def test_what_is_too_short_is_not_judged() -> None:
    assert measure_stability([0.5] * 10, 2) is None
    assert measure_stability([0.5] * 11, 2) == (0, 0, "steady")
    assert measure_overfitting([]) is None


def test_the_running_median_mirrors_the_ends() -> None:
    rising = np.arange(20.0)
    median_N = running_median(rising)
    assert median_N[5:15].tolist() == rising[5:15].tolist()
    assert median_N[0] == np.median([5, 4, 3, 2, 1, 0, 1, 2, 3, 4, 5])
    assert median_N.shape == running_median(rising, 101).shape == (20,)


@pytest.mark.parametrize(
    ("losses", "rise", "epoch"),
    [([0.9, 0.5, 0.6], 0.2, 2), ([0.9, 0.8], 0.0, 2), ([0.5, 0.5], 0.0, 1), ([0.2, 0.0, 1e-5], 0.01, 2)],
)
def test_overfitting_is_the_rise_after_the_minimum(losses: list[float], rise: float, epoch: int) -> None:
    found = measure_overfitting(losses)
    assert found and found.rise == pytest.approx(rise) and found.best_epoch == epoch
