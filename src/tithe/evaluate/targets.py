"""Choose when a classifier answers "none of these", on the validation rows of its run, and say what that gives."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, Self

import numpy as np
from pydantic import Field, model_validator

from tithe import config
from tithe.arrays import Array, Rows
from tithe.data import Splits
from tithe.errors import InputError
from tithe.metrics import thresholds
from tithe.metrics.distance import ClassDistance
from tithe.metrics.thresholds import Threshold
from tithe.models.classifier import Classifier
from tithe.models.examples import Examples
from tithe.predict import abstention
from tithe.predict.abstention import Abstention
from tithe.predict.model import TrainedModel

_ROWS, _ROWS_OF_CLASS = 10_000, 20  # training rows whose embeddings are looked at: in all, and at least of each class
_NOWHERE = "thresholds are saved in a checkpoint"
Share = Annotated[float, Field(gt=0, lt=1)]


class Target(config.Section):
    """What the answers of a classifier must reach: all other texts get the answer "none of these"."""

    precision: Share | None = Field(None, description="of the answers of each class")
    recall: Share | None = Field(None, description="of each class")
    far: Share | None = Field(None, description="share of validation rows that are farthest from the training rows")

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if self.precision and self.recall:
            raise ValueError("set precision or recall, not both: each decides the thresholds")
        if not (self.precision or self.recall or self.far):
            raise ValueError("set precision, recall or far, such as precision=0.95")
        return self


def set_target(trained: TrainedModel, target: Target, splits: Splits) -> tuple[TrainedModel, dict[str, Any]]:
    """Choose thresholds on the validation rows and save them in the checkpoint, in place of earlier ones.

    Returns
    -------
    The classifier that uses them, and an account of what was chosen, with a line for each class.

    Raises
    ------
    InputError
        The run has no validation rows, the weights are not those of a checkpoint, or it is not a text classifier.
    """
    _check(trained, splits)
    examples = trained.inputs(trained.task.encode(splits.rows))
    validation = examples.take(splits.val)
    outputs, embeddings_ND = trained.outputs_and_embeddings(validation)
    probs_NC, labels_N = trained.calibrated(outputs), validation.labels
    lines = _thresholds(labels_N, probs_NC, target)
    levels = [0.0] * len(trained.labels) if lines is None else [_level(line) for line in lines]
    rule = Abstention(np.array(levels), *_distance(trained, target, examples, splits.split.train, embeddings_ND))
    named = zip(map(str, trained.labels.names), lines or (), strict=lines is not None)
    account = {
        "target": target.model_dump(exclude_none=True),
        "validation_rows": len(validation),
        "classes": [{"class": name, **line._asdict()} for name, line in named],
    }
    abstention.save(trained.folder, rule, account)
    return replace(trained), account  # what was read from the checkpoint is read again


def _check(trained: TrainedModel, splits: Splits) -> None:
    if not isinstance(trained.model, Classifier):
        raise InputError("a target is for texts: a detector of images has its verdicts, by images.error")
    if not trained.has_own_weights:
        raise InputError(f"{trained.weights_file} has other weights than {trained.folder}: {_NOWHERE}, so pass one")
    if not len(splits.val):
        raise InputError("the run has no validation rows to choose thresholds on: train with data.val_ratio above 0")


def _thresholds(labels_N: Rows, probs_NC: Array, target: Target) -> list[Threshold] | None:
    if target.precision:
        return thresholds.choose(labels_N, probs_NC, "precision", target.precision)
    return thresholds.choose(labels_N, probs_NC, "recall", target.recall) if target.recall else None


def _level(line: Threshold) -> float:
    return np.inf if line.threshold is None else line.threshold


def _distance(
    trained: TrainedModel, target: Target, examples: Examples, train: Rows, validation_ND: Array
) -> tuple[ClassDistance | None, float]:
    """Return the distance from the training rows, and the limit that a share of the validation rows exceeds."""
    if target.far is None:
        return None, np.inf
    some = examples.take(_sample(examples.labels[train], train, np.random.default_rng(trained.run.seed)))
    distance = ClassDistance.fit(trained.outputs_and_embeddings(some)[1], some.labels)
    return distance, float(np.quantile(distance.to(validation_ND), 1 - target.far))


def _sample(labels_N: Rows, rows_N: Rows, rng: np.random.Generator) -> Rows:
    """Return some of the rows, drawn class by class, in ascending order."""
    most = max(_ROWS_OF_CLASS, _ROWS // len(np.unique(labels_N)))
    drawn = [rng.permutation(rows_N[labels_N == label])[:most] for label in np.unique(labels_N)]
    return np.sort(np.concatenate(drawn))


def answered(rule: Abstention, y_true_N: Rows, probs_NC: Array, embeddings_ND: Array | None) -> dict[str, Any]:
    """Return what is left of some rows: the share that is withheld, and the accuracy of the answers."""
    given_N, right_N = ~rule.abstains(probs_NC, embeddings_ND), probs_NC.argmax(axis=1) == y_true_N
    accuracy = float(right_N[given_N].mean()) if given_N.any() else None
    return {"abstained": float(1 - given_N.mean()), "accuracy_answered": accuracy}
