"""Why a row was chosen, or was not: one sentence, from the same numbers that decided it."""

from __future__ import annotations

import numpy as np

from tithe import config
from tithe.arrays import Rows
from tithe.console import counted
from tithe.errors import InputError
from tithe.select import selection
from tithe.select.pool import Pool


def explain(
    pool: Pool, chosen: selection.Selection, settings: config.Select, seed: int, names: tuple[str, ...], row: int
) -> str:
    """Return one sentence about a row.

    Parameters
    ----------
    names
        The classes.
    row
        Its position in the data file.

    Raises
    ------
    InputError
        The row is not in the pool.
    """
    (places,) = np.nonzero(pool.ids == row)
    if len(places) == 0:
        raise InputError(
            f"row {row} is not among the {len(pool)} rows to choose from: it was dropped in cleaning, or is a row of "
            f"validation or test"
        )
    place = int(places[0])
    label = int(pool.labels[place])
    about = f"row {row} (class {names[label]})"
    (at,) = np.nonzero(chosen.rows == place)
    if len(at):
        rank, score, number = int(chosen.rank[at[0]]), float(chosen.score[at[0]]), int(chosen.round[at[0]])
        weight = f", weight {chosen.weight[at[0]]:.4f}" if (chosen.weight != 1).any() else ""
        return f"{about} was chosen: rank {rank + 1} of {len(chosen)}, score {score:.4f}{weight}, in round {number + 1}"
    mates = chosen.rows[pool.labels[chosen.rows] == label]
    of_class = counted(int((pool.labels == label).sum()), "row")
    taken = f"{len(mates)} of {of_class} of its class {'was' if len(mates) == 1 else 'were'}"
    return f"{about} was not chosen: {taken}{_because(pool, settings, seed, place, mates)}"


def _because(pool: Pool, settings: config.Select, seed: int, place: int, mates: Rows) -> str:
    if len(mates) == 0:
        return ""
    if settings.rounds == 1 and (score_N := selection.scores(pool, settings, seed)) is not None:
        lowest = float(score_N[mates].min())
        return f", down to a score of {lowest:.4f}; it has {float(score_N[place]):.4f}"
    if "embeddings" not in pool.signals:
        return ""
    X_ND = np.asarray(pool.embeddings, dtype=np.float64)
    distance_K = np.linalg.norm(X_ND[mates] - X_ND[place], axis=1)
    nearest = int(distance_K.argmin())
    return f"; the nearest of them is row {pool.ids[mates[nearest]]}, at a distance of {distance_K[nearest]:.4f}"
