"""Whether file metadata alone, without pixels, separates the classes.

A detector trained on JPEG photographs and PNG fakes learns to distinguish JPEG from PNG. A simple model of the metadata
measures how much can be learned that way: its AUC should be near 0.5.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from tithe.arrays import Array, Rows
from tithe.data import cross_validation
from tithe.imaging.files import FORMATS
from tithe.imaging.headers import Header

_MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK")
_FOLDS = 5
_LEAK = 0.6


def format_features(headers: Sequence[Header]) -> Array:
    """Return metadata features of files, float64, shape (N, F).

    Format, pixel format, JPEG quality, width and height (logarithms, and whether the image is square or its sides are
    multiples of 64, as with many generators), transparency, further frames, Exif. File size is left out, since it
    depends on the pixels: a smooth fake and a smooth photograph have similar sizes.
    """
    return np.array([_features(header) for header in headers], dtype=np.float64)


def _features(header: Header) -> list[float]:
    return [
        *(header.format == name for name in FORMATS),
        *(header.mode == name for name in _MODES),
        header.bits,
        header.quality or 0,
        np.log(header.width),
        np.log(header.height),
        header.width == header.height,
        header.width % 64 == 0 and header.height % 64 == 0,
        header.has_alpha,
        header.frames > 1,
        header.has_exif,
        header.orientation is not None,
    ]


def separates(found: Mapping[str, float | None]) -> bool:
    """Return whether a probe's `auc` is high, and beyond what `chance` may reach."""
    return (found["auc"] or 0.0) > max(_LEAK, found["chance"] or 0.0)


def probe(features_NF: Array, labels_N: Rows, groups_N: Rows, seed: int) -> float | None:
    """Return the cross-validated AUC of a logistic regression.

    Parameters
    ----------
    features_NF
        From `format_features`, shape (N, F).
    labels_N
        0 or 1, shape (N,).
    groups_N
        Group of each row, shape (N,); a group is never in two folds.
    seed
        Seed of the assignment of groups to folds.

    Returns
    -------
    The share of real/fake pairs within a fold that are ranked correctly; None where no fold has both classes inside
    and outside.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score

    scaled_NF, pairs, correct = cross_validation.standardised(features_NF), 0, 0.0
    fold_N = _folds(labels_N, groups_N, seed)
    for fold in range(_FOLDS):
        inside, outside = np.flatnonzero(fold_N == fold), np.flatnonzero(fold_N != fold)
        if len(np.unique(labels_N[inside])) < 2 or len(np.unique(labels_N[outside])) < 2:
            continue
        model = LogisticRegression(max_iter=300).fit(scaled_NF[outside], labels_N[outside])
        count = int((labels_N[inside] == 1).sum() * (labels_N[inside] == 0).sum())
        correct += count * roc_auc_score(labels_N[inside], model.decision_function(scaled_NF[inside]))
        pairs += count
    return float(correct / pairs) if pairs else None


def _folds(labels_N: Rows, groups_N: Rows, seed: int) -> Rows:
    """Return the fold of each row: groups are distributed evenly, stratified by the classes in them."""
    _, group_N = np.unique(groups_N, return_inverse=True)
    kinds_G = np.zeros(int(group_N.max()) + 1, dtype=np.int64)
    np.bitwise_or.at(kinds_G, group_N, 1 << labels_N)
    folds: Rows = cross_validation.folds(kinds_G, _FOLDS, seed)[group_N]
    return folds
