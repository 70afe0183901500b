"""The trivial baseline of the authenticity benchmark: a logistic regression on a few image statistics.

Report it with every result: a detector that does not beat it has learned nothing that a simple model could not. The
format probe is reported too: a regression on file metadata instead of pixels, which should be near .5.

The statistics are those of `tithe.imaging.statistics`.
"""

from __future__ import annotations

import argparse
import csv
import functools
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from authenticity_photos import read
from authenticity_set import ALPHAS, CODECS, build
from common import publish, stamp
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tithe.data.images import format_leak
from tithe.imaging import headers, statistics

Array = np.ndarray[Any, np.dtype[Any]]

_STRENGTHS = (1e-3, 1e-2, 1e-1, 1.0)


class Listed(NamedTuple):
    """The lines of `labels.csv` or `derived.csv` as columns."""

    paths: list[Path]
    real_N: Array
    part_N: Array
    generator_N: Array
    source_N: Array


def read_list(path: Path) -> Listed:
    """Read `labels.csv` or `derived.csv`."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    label_N, *others = (np.array([row[name] for row in rows]) for name in ("label", "split", "generator", "source_id"))
    return Listed([path.parent / row["path"] for row in rows], label_N == "real", *others)


@functools.cache
def _plain(path: Path) -> Array:
    """Return the statistics of an image, which is in many lists, shape (F,)."""
    return statistics.plain(np.ascontiguousarray(read(path)[:, :, ::-1]))


def scores(listed: Listed) -> Array:
    """Return the baseline's probability of `real` for every row, shape (N,).

    It is fitted on the training rows; its regularisation strength is chosen on the validation rows.
    """
    x_NF = np.stack([_plain(path) for path in listed.paths])
    train_N, val_N = listed.part_N == "train", listed.part_N == "val"
    models = [make_pipeline(StandardScaler(), LogisticRegression(C=c, max_iter=5000)) for c in _STRENGTHS]
    candidates = [model.fit(x_NF[train_N], listed.real_N[train_N]).predict_proba(x_NF)[:, 1] for model in models]
    best: Array = max(candidates, key=lambda score_N: roc_auc_score(listed.real_N[val_N], score_N[val_N]))
    return best


def areas(listed: Listed, score_N: Array) -> dict[str, float]:
    """Return the AUC on the validation rows, on the test, and on each of its generators with its own real twins."""
    test_N = listed.part_N == "test"
    rows = {"val": listed.part_N == "val", "test": test_N}
    rows |= {str(name): test_N & (listed.generator_N == name) for name in np.unique(listed.generator_N[test_N])}
    return {name: float(roc_auc_score(listed.real_N[row_N], score_N[row_N])) for name, row_N in rows.items()}


def format_area(listed: Listed) -> float | None:
    """Return the AUC of file headers over all parts, each row scored by a model fitted on other photographs."""
    features_NF = format_leak.format_features([headers.header(path) for path in listed.paths])
    return format_leak.probe(features_NF, listed.real_N.astype(np.int64), listed.source_N, seed=0)


def line(name: str, folder: Path) -> str:
    """Score a data set; return its table: the header and one line."""
    listed = read_list(folder / "labels.csv")
    results = areas(listed, scores(listed)) | {"format": format_area(listed)}
    head = f"| set | {' | '.join(results)} |\n|{'---|' * (len(results) + 1)}\n"
    return f"{head}| {name} | " + " | ".join(f"{area:.3f}" for area in results.values()) + " |"


def ladder(seed: int) -> list[str]:
    """Build every data set in turn; return the page's tables."""
    counts, lines = "", []
    for codec in CODECS:
        for alpha in ALPHAS:
            with tempfile.TemporaryDirectory() as name:
                counts = build(Path(name), alpha, codec, seed)
                head, rule, scored = line(f"{codec}, α = {alpha:g}", Path(name)).splitlines()
            print(scored, flush=True)
            lines.append(scored)
    return [counts, "", head, rule, *lines]


def main() -> None:
    """Score one data set, or build, score and publish all of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "folder", type=Path, nargs="?", help="a data set; without it all are built, scored and published"
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of the data sets that are built")
    arguments = parser.parse_args()
    if arguments.folder:
        print(line(arguments.folder.name, arguments.folder))
        return
    torch.set_num_threads(1)  # as in authenticity_set.py
    page = [
        "# The trivial baseline on the offline authenticity benchmark",
        "",
        stamp(),
        "",
        "AUC of a logistic regression on DCT, spectrum and 2 × 2-phase statistics, trained on the fakes of three "
        "autoencoders. `val` has other photographs and the same autoencoders, `test` other photographs and three other "
        "autoencoders, which follow one by one. `format` is the regression on metadata alone. Pairs of the last set:",
        "",
        *ladder(arguments.seed),
        "",
        "Such fakes say little about real generators: a detector that does well here has only shown that it can learn.",
    ]
    publish("authenticity_baseline", "\n".join(page) + "\n")


if __name__ == "__main__":
    main()
