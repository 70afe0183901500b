"""When a classifier answers "none of these": thresholds of its classes, and a distance from its training rows.

Both are chosen after the training (`tithe evaluate --target`). They are a folder in the checkpoint, with a manifest of
its own: the checkpoint's manifest, and that of its run, stay as they were written.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tithe import storage
from tithe.arrays import Array
from tithe.errors import InputError
from tithe.metrics.distance import ClassDistance
from tithe.storage.run_files import ABSTENTION, MANIFEST

_THRESHOLDS, _DISTANCE = "thresholds.json", "distance.npz"
_CURE = f"remove the folder {ABSTENTION} from it, or write it again with 'tithe evaluate --target'"


@dataclass(frozen=True)
class Abstention:
    """The rule by which answers are withheld.

    Attributes
    ----------
    thresholds_C
        A row is withheld if the probability of its most probable class is below the threshold of that class, shape
        (C,): 0 withholds none, infinity all.
    distance
        Distance from the training rows; None if it does not count.
    limit
        A row that is farther than this is withheld.
    """

    thresholds_C: Array
    distance: ClassDistance | None = None
    limit: float = math.inf

    def abstains(self, probs_NC: Array, embeddings_ND: Array | None) -> Array:
        """Return which rows are withheld, shape (N,); embeddings are needed where there is a distance."""
        withheld_N: Array = probs_NC.max(axis=1) < self.thresholds_C[probs_NC.argmax(axis=1)]
        if self.distance is None:
            return withheld_N
        assert embeddings_ND is not None
        return withheld_N | (self.distance.to(embeddings_ND) > self.limit)


def save(checkpoint: Path, rule: Abstention, account: dict[str, Any]) -> None:
    """Write a rule into a checkpoint, in place of an earlier one; `account` says how it was chosen."""
    thresholds = [None if math.isinf(value) else float(value) for value in rule.thresholds_C]
    limit = rule.limit if rule.distance else None
    saved = {"checkpoint": _identity(checkpoint), "thresholds": thresholds, "limit": limit, **account}
    storage.check_writable_folder(checkpoint)
    with storage.atomic_folder(checkpoint / ABSTENTION) as aside:
        storage.write_json(aside / _THRESHOLDS, saved)
        if rule.distance:
            with (aside / _DISTANCE).open("wb") as file:
                np.savez(file, means=rule.distance.means_CD, whitening=rule.distance.whitening_DD)


def load(checkpoint: Path, classes: int) -> Abstention | None:
    """Return the rule in a checkpoint; None if there is none.

    Raises
    ------
    InputError
        It is damaged, or was chosen for another checkpoint.
    """
    folder = checkpoint / ABSTENTION
    if not folder.exists():
        return None
    if bad := storage.broken_files(folder):
        raise InputError(f"{folder} is damaged ({', '.join(bad)}): {_CURE}")
    saved = storage.read_json(folder / _THRESHOLDS)
    if saved["checkpoint"] != _identity(checkpoint) or len(saved["thresholds"]) != classes:
        raise InputError(f"{folder} is that of another checkpoint: {_CURE}")
    thresholds_C = np.array([math.inf if value is None else value for value in saved["thresholds"]])
    if saved["limit"] is None:
        return Abstention(thresholds_C)
    with np.load(folder / _DISTANCE) as arrays:
        return Abstention(thresholds_C, ClassDistance(arrays["means"], arrays["whitening"]), saved["limit"])


def _identity(checkpoint: Path) -> str:
    return storage.sha256_file(checkpoint / MANIFEST)
