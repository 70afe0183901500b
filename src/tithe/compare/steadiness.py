"""How smoothly a run learned: the scatter of its training loss, its spikes, and the rise of its validation loss."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]

WINDOW = 11  # logged steps of the running median
_FLOOR = 0.1  # nats; near a loss of 0, twice nothing is still nothing
# The batches of a healthy run differ: at 16 rows a batch they scatter by about a quarter of the loss, with a spike in
# 200 steps; a learning rate a hundred times too high makes seven spikes in 100.
_RESTLESS = (0.3, 0.01)  # from this scatter, or this share of spikes
_JUMPY = (0.5, 0.05)
# Below this a validation loss is as good as nothing, and what it rises by is no longer measured against it.
_SMALL_LOSS = 1e-3


class Stability(NamedTuple):
    """How far the loss of single batches strays from its course.

    Attributes
    ----------
    scatter
        Mean distance from the running median, as a share of the mean loss.
    spikes
        Logged steps whose loss is above twice the running median and 0.1.
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


def stability(losses: Sequence[float]) -> Stability | None:
    """Judge the training loss of logged steps; None where they are fewer than a window."""
    if len(losses) < WINDOW:
        return None
    loss_N = np.asarray(losses, dtype=np.float64)
    median_N = running_median(loss_N)
    scatter = float(np.abs(loss_N - median_N).mean() / max(loss_N.mean(), 1e-12))
    spikes = int((loss_N > 2 * median_N + _FLOOR).sum())
    return Stability(scatter, spikes, _word(scatter, spikes / len(loss_N)))


def _word(scatter: float, share: float) -> str:
    for word, (most_scatter, most_spikes) in (("jumpy", _JUMPY), ("restless", _RESTLESS)):
        if scatter >= most_scatter or share >= most_spikes:
            return word
    return "steady"


def overfitting(losses: Sequence[float]) -> Overfitting | None:
    """Judge the validation losses, one for each epoch; None where there are none."""
    if not losses:
        return None
    best = int(np.argmin(losses))
    return Overfitting((losses[-1] - losses[best]) / max(losses[best], _SMALL_LOSS), best + 1)
