"""Stability of training (scatter and spikes of the loss) and overfitting (rise of the validation loss)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tithe.arrays import Array

WINDOW = 11  # logged steps in the running median
# Batches of a healthy run differ, too: with 16 rows a batch, scatter is a sixth of the loss of guessing; with 8 rows
# and many classes, a tenth. A learning rate 100 times too high scatters by 0.4 and spikes in 20 of 1,000 steps.
_RESTLESS = (0.25, 0.01)  # at least this scatter, or this share of spikes
_JUMPY = (0.4, 0.03)
# A rise is divided by the minimum of the loss, but by no less than this.
_MIN_LOSS = 1e-3


class Stability(NamedTuple):
    """How far the loss of single batches deviates from its trend.

    Attributes
    ----------
    scatter
        Mean distance from the running median, divided by the loss of guessing.
    spikes
        Logged steps whose loss exceeds the running median by more than the loss of guessing.
    word
        Category: steady, restless or jumpy.
    """

    scatter: float
    spikes: int
    word: str


class Overfitting(NamedTuple):
    """Final rise of the validation loss as a share of its minimum, and the epoch of the minimum."""

    rise: float
    best_epoch: int


def running_median(loss_N: Array, window: int = WINDOW) -> Array:
    """Return the centred running median, shape (N,); the ends are padded by reflection."""
    half = window // 2
    padded = np.pad(loss_N, half, mode="reflect")
    median_N: Array = np.median(np.lib.stride_tricks.sliding_window_view(padded, 2 * half + 1), axis=-1)
    return median_N


def measure_stability(losses: Sequence[float], classes: int) -> Stability | None:
    """Measure the stability of the training loss of logged steps; None if there are fewer than a window.

    The unit is the loss of guessing among the classes, ln C. Relative to the loss itself, a run that learns well, so
    that its loss is small, would look unstable.
    """
    if len(losses) < WINDOW:
        return None
    loss_N, guess = np.asarray(losses, dtype=np.float64), float(np.log(max(2, classes)))
    median_N = running_median(loss_N)
    scatter = float(np.abs(loss_N - median_N).mean() / guess)
    spikes = int((loss_N > median_N + guess).sum())
    return Stability(scatter, spikes, _word(scatter, spikes / len(loss_N)))


def _word(scatter: float, share: float) -> str:
    for word, (max_scatter, max_share) in (("jumpy", _JUMPY), ("restless", _RESTLESS)):
        if scatter >= max_scatter or share >= max_share:
            return word
    return "steady"


def measure_overfitting(losses: Sequence[float]) -> Overfitting | None:
    """Measure the rise of the validation losses, one for each epoch; None if there are none."""
    if not losses:
        return None
    best = int(np.argmin(losses))
    return Overfitting((losses[-1] - losses[best]) / max(losses[best], _MIN_LOSS), best + 1)
