"""The trivial baseline of the authenticity benchmark: what a logistic regression sees in a few statistics.

Print it beside every result: a detector that does not beat it has learnt nothing that takes learning. The format probe,
the same regression on what the files' headers say, must stay near .5.

Statistics of an image: the mean log-magnitude of each 8 × 8 DCT coefficient, the radial profile of the log spectrum, and
how the high-pass residual differs among the four phases of the 2 × 2 grid.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from authenticity_photos import Image
from authenticity_set import ALPHAS, CODECS, build
from common import publish, stamp
from scipy import fft
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

Array = np.ndarray[Any, np.dtype[Any]]

_STRENGTHS = (1e-3, 1e-2, 1e-1, 1.0)
_RINGS = 64


class Listed(NamedTuple):
    """The lines of a list as columns."""

    paths: list[Path]
    real_N: Array
    part_N: Array
    generator_N: Array
    source_N: Array


def read_list(path: Path) -> Listed:
    """Read `labels.csv`, or any list of its columns."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    columns = [np.array([row[name] for row in rows]) for name in ("label", "split", "generator", "source_id")]
    return Listed([path.parent / row["path"] for row in rows], columns[0] == "real", *columns[1:])


def statistics_of(image: Image) -> Array:
    """Return the statistics of an image, shape (F,)."""
    grey_HW = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY).astype(np.float32)
    return np.concatenate([_cosines(grey_HW), _rings(grey_HW), _phases(image)])


def _cosines(grey_HW: Array) -> Array:
    height, width = (side - side % 8 for side in grey_HW.shape)
    blocks = grey_HW[:height, :width].reshape(height // 8, 8, width // 8, 8).swapaxes(1, 2)
    magnitude_88 = np.abs(fft.dctn(blocks, axes=(2, 3), norm="ortho"))
    return np.log(magnitude_88 + 0.5).mean(axis=(0, 1)).ravel()


def _rings(grey_HW: Array) -> Array:
    height, width = grey_HW.shape
    window_HW = np.hanning(height)[:, None] * np.hanning(width)
    log_HW = np.log(np.abs(np.fft.fft2((grey_HW - grey_HW.mean()) * window_HW)) + 1.0)
    radius_HW = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width))
    ring_HW = np.minimum((radius_HW * 2 * _RINGS).astype(int), _RINGS)  # beyond the highest frequency along an axis
    return np.bincount(ring_HW.ravel(), log_HW.ravel()) / np.bincount(ring_HW.ravel())


def _phases(image: Image) -> Array:
    """Log residual energy of each phase of the 2 × 2 grid against their mean, for each channel and two high-passes."""
    found = []
    for kernel in (np.array([[1, -2, 1]], np.float32), np.array([[1], [-2], [1]], np.float32)):
        residual_HWC = np.abs(cv2.filter2D(image.astype(np.float32), -1, kernel))
        log_P3 = np.log([residual_HWC[i::2, j::2].mean(axis=(0, 1)) + 0.1 for i in (0, 1) for j in (0, 1)])
        found.append((log_P3 - log_P3.mean(axis=0)).ravel())
    return np.concatenate(found)


def scores(listed: Listed) -> Array:
    """Return the baseline's probability of `real` for every row, shape (N,).

    It learns from the training rows; its strength is the one that is best on the validation rows.
    """
    x_NF = np.stack([statistics_of(cv2.imread(str(path))) for path in listed.paths])
    train_N, val_N = listed.part_N == "train", listed.part_N == "val"
    regressions = [make_pipeline(StandardScaler(), LogisticRegression(C=c, max_iter=5000)) for c in _STRENGTHS]
    found = [model.fit(x_NF[train_N], listed.real_N[train_N]).predict_proba(x_NF)[:, 1] for model in regressions]
    best: Array = max(found, key=lambda score_N: roc_auc_score(listed.real_N[val_N], score_N[val_N]))
    return best


def areas(listed: Listed, score_N: Array) -> dict[str, float]:
    """Return the AUC on the validation rows, on the test, and on each of its generators with its own real twins."""
    test_N = listed.part_N == "test"
    rows = {"val": listed.part_N == "val", "test": test_N}
    rows |= {str(name): test_N & (listed.generator_N == name) for name in np.unique(listed.generator_N[test_N])}
    return {name: float(roc_auc_score(listed.real_N[row_N], score_N[row_N])) for name, row_N in rows.items()}


def format_area(listed: Listed) -> float:
    """Return the AUC of the same regression on metadata alone, across all parts, no photograph in two folds."""
    features_NF = leak.format_features([decode.header(path) for path in listed.paths], [p.stat().st_size for p in listed.paths])
    area = leak.probe(features_NF, listed.real_N.astype(np.int64), listed.source_N, seed=0)
    return math.nan if area is None else area


def line(name: str, folder: Path) -> str:
    """Return a set's line of the table."""
    listed = read_list(folder / "labels.csv")
    found = areas(listed, scores(listed)) | {"format": format_area(listed)}
    print(name, found, flush=True)
    return f"| {name} | " + " | ".join(f"{value:.3f}" for value in found.values()) + " |"


def ladder(seed: int) -> list[str]:
    """Build every set in turn and return their lines."""
    lines = []
    for codec in CODECS:
        for alpha in ALPHAS:
            with tempfile.TemporaryDirectory() as folder:
                build(Path(folder), alpha, codec, seed)
                lines.append(line(f"{codec}, α = {alpha}", Path(folder)))
    return lines


def main() -> None:
    """Score one set, or the whole ladder, and publish."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("set", type=Path, nargs="?", help="folder of a set; without it the ladder is built and published")
    parser.add_argument("--seed", type=int, default=0, help="of the ladder")
    arguments = parser.parse_args()
    if arguments.set:
        line(str(arguments.set), arguments.set)
        return
    torch.set_num_threads(1)
    ...


if __name__ == "__main__":
    main()
