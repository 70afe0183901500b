"""What choosing in parts costs: picks on a sample, beside those from all rows of it at once; what matching misses."""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType
from typing import NamedTuple

import numpy as np

from tithe import config, plugins
from tithe.arrays import Array, Rows
from tithe.select.geometry.gradients import Gradients
from tithe.select.pool import Pool
from tithe.select.selection import Selection, select
from tithe.select.strategies import Matches, Picks

_SHARE, _LEAST = 0.01, 2000  # rows of the sample
_OF_GRADIENTS = {"embeddings", "head_probs", "head_labels", "head_penalty"}
_CELLS = 1 << 22  # of one product of rows and picks


class Coverage(NamedTuple):
    """How near rows are to those that were picked: the largest distance, and the mean cosine similarity."""

    radius: float
    cosine: float


class PartsError(NamedTuple):
    """How near the rows of a sample are to picks made in parts, and to as many made among all of them at once."""

    sample: int
    in_parts: Coverage
    at_once: Coverage

    def sentence(self) -> str:
        """Return it in words."""
        return (
            f"picked in parts: of {self.sample} sampled rows the farthest is {self.in_parts.radius:.4g} from its "
            f"nearest pick ({self.at_once.radius:.4g} if all rows are compared), the mean cosine to it "
            f"{self.in_parts.cosine:.4f} ({self.at_once.cosine:.4f})"
        )

    def to_dict(self) -> dict[str, object]:
        """Return plain numbers for JSON."""
        return {"sample": self.sample, "in_parts": self.in_parts._asdict(), "at_once": self.at_once._asdict()}


class Mismatch(NamedTuple):
    """How far the weighted gradients of picks are from those of all rows: 0 is exact, 1 about what random rows are."""

    mismatch: float

    def sentence(self) -> str:
        """Return it in words."""
        return (
            f"matched in parts: the gradients of the rows miss those of all by {self.mismatch:.3g} of what as many "
            "random rows do"
        )

    def to_dict(self) -> dict[str, object]:
        """Return plain numbers for JSON."""
        return self._asdict()


def cost_of_parts(pool: Pool, settings: config.Select, seed: int, chosen: Selection) -> PartsError | Mismatch | None:
    """Return what dividing the rows costs; None where nothing is divided.

    A strategy that picks is asked again for a sample of the rows, in parts as large beside it as those of all rows and
    at once. What one that matches has missed can be computed for the choice itself, and on a sample would be much more:
    fewer picks match worse.
    """
    strategy = plugins.load("strategies", settings.strategy)
    if settings.part_rows is None or _largest(pool, settings, strategy) <= settings.part_rows:
        return None
    if isinstance(strategy, Matches):
        return mismatch(pool, chosen)
    count = min(len(pool), max(_LEAST, round(_SHARE * len(pool))))
    sample = pool.take(np.sort(np.random.default_rng([seed, 0xC0FE]).permutation(len(pool))[:count]))
    part = max(1, round(settings.part_rows * count / len(pool)))
    found = []
    for rows in (part, None):
        own = settings.model_copy(update={"part_rows": rows, "floor": 0})
        found.append(_coverage(sample, own, select(sample, own, seed).rows))
    return PartsError(count, *found)


def _largest(pool: Pool, settings: config.Select, strategy: ModuleType) -> int:
    """Return how many rows a strategy compares by their embeddings at once; 0 for one that does not."""
    if isinstance(strategy, Matches):
        return len(pool) if {*strategy.NEEDS} >= _OF_GRADIENTS else 0
    if not isinstance(strategy, Picks) or "embeddings" not in strategy.NEEDS:
        return 0
    return len(pool) if settings.balance == "none" else int(np.bincount(pool.groups).max())


def _groups(pool: Pool, settings: config.Select) -> Iterator[Rows]:
    """Yield the rows among which picks are compared: those of a class, or all."""
    if settings.balance == "none":
        yield np.arange(len(pool))
        return
    groups_N = pool.groups
    yield from (np.flatnonzero(groups_N == group) for group in np.unique(groups_N))


def _coverage(pool: Pool, settings: config.Select, rows_K: Rows) -> Coverage:
    """Return how near rows are to the picks of their class; a class without any does not count."""
    found, rows = [], []
    for group in _groups(pool, settings):
        if len(own := np.intersect1d(group, rows_K)):
            found.append(covered(pool.embeddings[group], pool.embeddings[own]))
            rows.append(len(group))
    radii, cosines = zip(*found, strict=True)
    return Coverage(max(radii), float(np.average(cosines, weights=rows)))


def covered(X_ND: Array, picks_KD: Array) -> Coverage:
    """Return how near rows are to picks; a row of zeros has a cosine of 0."""
    picks_KD = np.asarray(picks_KD, dtype=np.float32)
    squared_K = np.einsum("kd,kd->k", picks_KD, picks_KD)
    length_K = np.sqrt(squared_K).clip(np.finfo(np.float32).tiny)
    radius, cosines, step = 0.0, 0.0, max(1, _CELLS // len(picks_KD))
    for first in range(0, len(X_ND), step):
        part_BD = np.asarray(X_ND[first : first + step], dtype=np.float32)
        product_BK, squared_B = part_BD @ picks_KD.T, np.einsum("bd,bd->b", part_BD, part_BD)
        cosine_B = (product_BK / length_K).max(axis=1) / np.sqrt(squared_B).clip(np.finfo(np.float32).tiny)
        near_B = (squared_K - 2 * product_BK).min(axis=1) + squared_B
        radius, cosines = max(radius, float(near_B.max())), cosines + float(cosine_B.sum())
    return Coverage(float(np.sqrt(max(radius, 0.0))), cosines / len(X_ND))


def mismatch(pool: Pool, chosen: Selection) -> Mismatch:
    """Return how far the gradients of weighted rows are from those of all, beside as many random rows."""
    truth = Gradients.of(pool.embeddings, pool.head_probs, pool.head_labels, float(pool.head_penalty[0]))
    gradients = truth.labelled(pool.labels)
    missed_AB = gradients.take(chosen.rows).total(chosen.weight) - truth.total() * (len(chosen) / len(pool))
    random = np.sqrt(len(chosen) * gradients.squared_norms().mean())
    return Mismatch(float(np.linalg.norm(missed_AB) / max(random, np.finfo(np.float32).tiny)))
