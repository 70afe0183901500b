"""What an answer is worth: calibration, accuracy with abstaining, and texts of unseen classes that are caught.

A head on the frozen encoder is trained by `tithe train` on all classes. For the classes that it never saw, a logistic
regression is trained on the same features without the class, and judged by what `tithe evaluate --target` uses.
"""

from __future__ import annotations

import argparse
import logging
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from common import dataset, publish, stamp
from sklearn.linear_model import LogisticRegression

from tithe import config, metrics, pipeline
from tithe.cli.options import quiet_libraries
from tithe.evaluate.checkpoint import own_splits
from tithe.metrics import thresholds
from tithe.metrics.distance import ClassDistance
from tithe.metrics.temperature import Temperature
from tithe.models.inference import softmax
from tithe.predict import TrainedModel, load

Array = np.ndarray[Any, np.dtype[Any]]
WITHHELD, PRECISION = 0.05, 0.95


class Part(NamedTuple):
    """Embeddings and class indices of some rows."""

    features_ND: Array
    labels_N: Array


class Rows(NamedTuple):
    """A data set in three parts."""

    train: Part
    validation: Part
    test: Part

    def without(self, label: int) -> Rows:
        """Return the rows of all other classes."""
        return Rows(*(Part(p.features_ND[p.labels_N != label], p.labels_N[p.labels_N != label]) for p in self))

    def of(self, label: int) -> Array:
        """Return the embeddings of every row of a class."""
        return np.concatenate([part.features_ND[part.labels_N == label] for part in self])


def main() -> None:
    """Train and judge on each data set, and publish the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", default="reuters_r8,manpages_ru,packages_ru", help="names, separated by commas")
    parser.add_argument("--classes", type=int, default=4, help="of each set, each held out once, the largest first")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--remark", default="", help="a sentence on how the numbers were produced")
    asked = parser.parse_args()
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    known, unseen = [], []
    with quiet_libraries(), tempfile.TemporaryDirectory() as folder:
        for name in asked.sets.split(","):
            runs = [run_on(name, seed, Path(folder)) for seed in range(asked.seeds)]
            known.append(_line(name, *np.mean([known_scores(*run) for run in runs], axis=0)))
            unseen += list(_unseen_lines(name, runs[0], asked.classes))
            print(known[-1], *unseen[-asked.classes :], sep="\n", flush=True)
    page = ["# Abstaining, a head on frozen MiniLM", "", stamp(), "", *([asked.remark, ""] if asked.remark else [])]
    publish("abstain", "\n".join([*page, *_page(asked.seeds, known, unseen)]) + "\n")


def run_on(name: str, seed: int, folder: Path) -> tuple[TrainedModel, Rows, list[str]]:
    """Train a head on a set; return it, the features of its rows, and the names of the classes."""
    settings = {
        "data": {"path": str(dataset(name)), "test_ratio": 0.2},
        "model": {"max_length": 128, "freeze": "all"},
        "train": {"epochs": 5, "learning_rate": 1e-3, "batch_size": 32, "device": "cpu"},
        "track": {"tensorboard": False},
        "seed": seed,
        "out": str(folder / f"{name}-{seed}"),
    }
    trained = load(pipeline.train(config.parse(settings)).home, "cpu")
    splits = own_splits(trained, "it has just been trained on them")
    examples = trained.inputs(trained.task.encode(splits.rows))
    _, states_ND = trained.outputs_and_embeddings(examples)
    parts = (Part(states_ND[rows], splits.rows.labels[rows]) for rows in (splits.split.train, splits.val, splits.test))
    return trained, Rows(*parts), [str(label) for label in trained.labels.names]


def known_scores(trained: TrainedModel, rows: Rows, _: list[str]) -> list[float]:
    """Return what the first table shows of the test rows, in the order of its columns."""
    temperature = trained.temperature
    assert temperature
    logits = [head_logits(trained, part.features_ND) for part in (rows.validation, rows.test)]
    own, scaled = ([softmax(change(part)) for part in logits] for change in (np.asarray, temperature.apply))
    y_N, level = rows.test.labels_N, np.quantile(scaled[0].max(axis=1), 0.1)
    right_N, given_N = scaled[1].argmax(axis=1) == y_N, scaled[1].max(axis=1) >= level
    errors = [metrics.calibration_error(y_N, probs[1]) for probs in (own, scaled)]
    losses = [metrics.log_loss(y_N, probs[1]) for probs in (own, scaled)]
    accuracies = [right_N.mean(), 1 - given_N.mean(), right_N[given_N].mean()]
    return [temperature.temperature, *errors, *losses, *accuracies]


def head_logits(trained: TrainedModel, features_ND: Array) -> Array:
    """Return the outputs of the trained head."""
    import torch

    with torch.inference_mode():
        logits_NC: Array = trained.model.head(torch.from_numpy(features_ND)).numpy()  # type: ignore[operator]
    return logits_NC


def _unseen_lines(name: str, run: tuple[TrainedModel, Rows, list[str]], classes: int) -> Iterator[str]:
    _, rows, names = run
    largest = np.argsort(-np.bincount(rows.train.labels_N), kind="stable")
    for label in largest[:: max(1, len(largest) // classes)][:classes]:
        yield _line(f"{name}: {names[label]}", *unseen_scores(rows.without(label), rows.of(label)))


def unseen_scores(rows: Rows, unseen_ND: Array) -> list[float]:
    """Return for each rule the share of known test rows and of unseen rows that it withholds.

    The rules: the least probable 5 % of validation rows, the farthest 5 %, either at 2.5 %, and precision 0.95.
    """
    model = LogisticRegression(C=10, max_iter=500).fit(*rows.train)
    everything = (rows.validation.features_ND, rows.test.features_ND, unseen_ND)
    logits = [_logits(model, part_ND) for part_ND in everything]
    coded_N = np.searchsorted(model.classes_, rows.validation.labels_N)
    temperature = Temperature.fit(coded_N, logits[0])
    probs = [softmax(temperature.apply(part)) for part in logits]
    doubt = [1 - part.max(axis=1) for part in probs]
    far = [ClassDistance.fit(*rows.train).to(part) for part in everything]
    lines = thresholds.choose(coded_N, probs[0], "precision", PRECISION)
    levels_C = np.array([np.inf if line.threshold is None else line.threshold for line in lines])
    precise = [part.max(axis=1) < levels_C[part.argmax(axis=1)] for part in probs]
    rules = [
        [part > np.quantile(doubt[0], 1 - WITHHELD) for part in doubt],
        [part > np.quantile(far[0], 1 - WITHHELD) for part in far],
        [
            (d > np.quantile(doubt[0], 1 - WITHHELD / 2)) | (f > np.quantile(far[0], 1 - WITHHELD / 2))
            for d, f in zip(doubt, far, strict=True)
        ],
        precise,
    ]
    return [float(part.mean()) for rule in rules for part in rule[1:]]


def _logits(model: LogisticRegression, features_ND: Array) -> Array:
    values = np.asarray(model.decision_function(features_ND))
    return np.stack([np.zeros_like(values), values], axis=1) if values.ndim == 1 else values


def _line(name: str, *values: float) -> str:
    return f"| {name} | " + " | ".join(f"{value:.3f}" for value in values) + " |"


def _page(seeds: int, known: list[str], unseen: list[str]) -> list[str]:
    return [
        f"Test rows (a fifth), {seeds} seeds. The temperature is fitted on validation rows. At the end, a text "
        "is withheld if its probability is below that of nine tenths of the validation rows.",
        "",
        "| set | temperature | calibration error | after | loss | after | accuracy | withheld | accuracy then |",
        "|---|---|---|---|---|---|---|---|---|",
        *known,
        "",
        'Texts that get the answer "none of these", as shares of the known test rows and of all texts of a class that '
        "was in no training or validation row (seed 0). The first three rules cost about 5 % of the validation rows "
        f"each; the last is `--target precision={PRECISION}`.",
        "",
        "| held out | least probable: known | unseen | farthest: known | unseen | half of each: known | unseen "
        f"| precision {PRECISION}: known | unseen |",
        "|---|---|---|---|---|---|---|---|---|",
        *unseen,
    ]


if __name__ == "__main__":
    main()
