"""Filters: rows that are left out before a strategy sees the pool."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from tithe import config
from tithe.arrays import Array, Rows
from tithe.errors import InputError
from tithe.select.budget import budget_rows
from tithe.select.geometry.neighbors import first_of_copies, unit
from tithe.select.pool import Pool
from tithe.select.selection import Selection

logger = logging.getLogger("tithe")


@dataclass(frozen=True)
class Filtered:
    """What filters leave of a pool; all of it where none is set.

    Attributes
    ----------
    pool
        The rows that are left, the pool that strategies see.
    kept
        Their positions in the whole pool, sorted, shape (M,).
    left_out
        Positions of the rows that each filter left out, sorted, by its name.
    settings
        Those of the selection, with a budget that is as many rows of what is left.
    """

    pool: Pool
    kept: Rows
    left_out: Mapping[str, Rows]
    settings: config.Select

    def of(self, values_N: Array) -> Array:
        """Return the values of the rows that are left, of those of all rows."""
        return values_N[self.kept] if self.left_out else values_N

    def log(self) -> None:
        """Say how many rows each filter left out."""
        rows = len(self.kept) + sum(map(len, self.left_out.values()))
        for name, left_out in self.left_out.items():
            logger.info("filter %s left out %d of %d rows", name, len(left_out), rows)

    def whole(self, selection: Selection) -> Selection:
        """Return a selection from the rows that are left as one from all."""
        return replace(selection, rows=self.kept[selection.rows])


def filtered(pool: Pool, settings: config.Select) -> Filtered:
    """Leave out likely noise, then copies.

    Raises
    ------
    InputError
        Fewer rows are left than the budget has.
    """
    kept, left_out = np.arange(len(pool)), dict[str, Rows]()
    if settings.filter.noise:
        left_out["noise"] = _least_likely(_likelihood(pool), pool.labels, settings.filter.noise)
        kept = np.setdiff1d(kept, left_out["noise"])
    if settings.filter.duplicates:
        copies = first_of_copies(pool.embeddings[kept], settings.filter.duplicates) != np.arange(len(kept))
        left_out["duplicates"], kept = kept[copies], kept[~copies]
    if not left_out:
        return Filtered(pool, kept, left_out, settings)
    return Filtered(pool.take(kept), kept, left_out, _same_budget(settings, len(pool), len(kept)))


def _same_budget(settings: config.Select, rows: int, left: int) -> config.Select:
    """Return the settings with the share of what is left that is as many rows as the share of all."""
    count = budget_rows(rows, settings.budget)
    if settings.strategy == "all":
        return settings
    if count > left:
        raise InputError(
            f"select.filter leaves {left} of {rows} rows, fewer than the {count} of select.budget "
            f"{settings.budget:g}: lower the budget, or leave out fewer rows"
        )
    return settings.model_copy(update={"budget": count / left})


def _likelihood(pool: Pool) -> Array:
    """Return the probability of each row's own label by models that did not see the row, shape (N,)."""
    return np.asarray(pool.probs[np.arange(len(pool)), pool.labels])


def _least_likely(likelihood_N: Array, labels_N: Rows, share: float) -> Rows:
    """Return the share of each class with the least likely labels, never a whole class; of equals the last rows."""
    left_out = []
    for c in np.unique(labels_N):
        rows = np.flatnonzero(labels_N == c)[::-1]
        left_out.append(rows[np.argsort(likelihood_N[rows], kind="stable")][: int(share * len(rows) + 1e-9)])
    return np.sort(np.concatenate(left_out))


def reason(pool: Pool, left_out: Mapping[str, Rows], names: Sequence[str], place: int) -> str | None:
    """Return why a row of a pool was left out, one sentence; None if it was not.

    Parameters
    ----------
    names
        The classes.
    """
    by = next((name for name, rows in left_out.items() if np.isin(place, rows)), None)
    if by is None:
        return None
    about = f"row {pool.ids[place]} (class {names[pool.labels[place]]}) was left out by the {by} filter"
    out = np.concatenate(list(left_out.values()))
    if by == "noise":
        likelihood_N = _likelihood(pool)
        (mates,) = np.nonzero(pool.labels == pool.labels[place])
        lowest = likelihood_N[np.setdiff1d(mates, left_out["noise"])].min()
        return (
            f"{about}: a model that did not see it gives its label a probability of {likelihood_N[place]:.4f}; rows of "
            f"its class stay from {lowest:.4f}"
        )
    earlier = np.setdiff1d(np.arange(place), out)
    cosine_K = unit(pool.embeddings[earlier]) @ unit(pool.embeddings[[place]])[0]
    nearest = int(cosine_K.argmax())
    return (
        f"{about}: it is a copy of row {pool.ids[earlier[nearest]]}, at a cosine similarity of {cosine_K[nearest]:.4f}"
    )
