"""How smoothly a run learned: the scatter of its training loss, its spikes, and the rise of its validation loss."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tithe.arrays import Array

WINDOW = 11  # logged steps of the running median
# The batches of a healthy run differ: 16 rows a batch scatter by a sixth of the loss of a guess, 8 rows by a tenth
# where classes are many; a learning rate a hundred times too high scatters by 0.4, with spikes in 20 steps of 1,000.
_RESTLESS = (0.25, 0.01)  # from this scatter, or this share of spikes
_JUMPY = (0.4, 0.03)
# Below this a validation loss is as good as nothing, and what it rises by is no longer measured against it.
_SMALL_LOSS = 1e-3


class Stability(NamedTuple):
    """How far the loss of single batches strays from its course.

    Attributes
    ----------
    scatter
        Mean distance from the running median, as a share of the loss of a guess.
    spikes
        Logged steps whose loss is above the running median by more than the loss of a guess.
    word
        steady, restless or jumpy.
    """

    scatter: float
    spikes: int
    word: str


class Overfitting(NamedTuple):
    """By what share of its minimum the validation loss had risen at the end, and the epoch of the minimum."""

    rise: float
    best_epoch: int


def running_median(loss_N: Array, window: int = WINDOW) -> Array:
    """Return the median of the values around each, itself in their middle, shape (N,); ends are mirrored."""
    half = window // 2
    padded = np.pad(loss_N, half, mode="reflect")
    median_N: Array = np.median(np.lib.stride_tricks.sliding_window_view(padded, 2 * half + 1), axis=-1)
    return median_N


def measure_stability(losses: Sequence[float], classes: int) -> Stability | None:
    """Judge the training loss of logged steps; None where they are fewer than a window.

    The measure is the loss of guessing among the classes, ln C: against the loss itself, a run that learns well, and
    whose loss is small, would look restless.
    """
    if len(losses) < WINDOW:
        return None
    loss_N, guess = np.asarray(losses, dtype=np.float64), float(np.log(max(2, classes)))
    median_N = running_median(loss_N)
    scatter = float(np.abs(loss_N - median_N).mean() / guess)
    spikes = int((loss_N > median_N + guess).sum())
    return Stability(scatter, spikes, _word(scatter, spikes / len(loss_N)))


def _word(scatter: float, share: float) -> str:
    for word, (most_scatter, most_spikes) in (("jumpy", _JUMPY), ("restless", _RESTLESS)):
        if scatter >= most_scatter or share >= most_spikes:
            return word
    return "steady"


def measure_overfitting(losses: Sequence[float]) -> Overfitting | None:
    """Judge the validation losses, one for each epoch; None where there are none."""
    if not losses:
        return None
    best = int(np.argmin(losses))
    return Overfitting((losses[-1] - losses[best]) / max(losses[best], _SMALL_LOSS), best + 1)
