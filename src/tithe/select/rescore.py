"""Between rounds of a selection: train a model on the rows chosen so far, and score the whole pool with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from torch import nn

from tithe.arrays import Array, Rows
from tithe.checkpoints import tensors
from tithe.models import features, inference
from tithe.models.classifier import Classifier
from tithe.select.buying.evidence import Evidence
from tithe.train import trainer
from tithe.train.setup import Setup
from tithe.train.trainer import FitOptions


class Rescored(NamedTuple):
    """What a model of the rows chosen so far says of the pool.

    Attributes
    ----------
    signals
        Of all rows, chosen or not.
    model_sha256
        Of the model's weights; None before the first model.
    evidence
        What the bought labels say; None where all labels are known.
    """

    signals: dict[str, Array]
    model_sha256: str | None
    evidence: Evidence | None = None


UNSCORED = Rescored({}, None)  # before the first round
Rescore = Callable[[Rows, Array], Rescored]  # takes positions in the pool, and the weights of a selection


def rescore_with_model(setup: Setup, warm: bool = False) -> Rescore:
    """Return a function that trains a model on some rows of the pool and scores the whole pool with it.

    Rows that are not chosen yet are scored by a model that was not trained on them. If the encoder is trained, the
    embeddings are recomputed as well.

    Parameters
    ----------
    warm
        Whether each call goes on with the model of the call before; otherwise each trains a new one.
    """
    run, task, accelerator, pool = setup.run, setup.task, setup.accelerator, setup.pool
    on_features = setup.network.on_features
    model: nn.Module | None = None

    def rescore(rows: Rows, weights: Array) -> Rescored:
        nonlocal model
        if model is None or not warm:
            model = task.build(setup.classes, run.seed)
        assert isinstance(model, Classifier)  # strategies choose among texts
        trainable = features.Probe(model.head) if on_features else model
        options = FitOptions(run.train, run.seed, accelerator)
        chosen = setup.take(setup.splits.split.train[rows], weights)
        for _ in trainer.fit(trainable, task.criterion(run.train.label_smoothing), chosen, options):
            pass
        probs_NC = inference.softmax(inference.logits(trainable, pool, autocast=accelerator.autocast))
        signals: dict[str, Array] = {"probs": probs_NC, "proxy_probs": probs_NC[:, None, :]}
        if not on_features:
            signals["embeddings"] = inference.embeddings(model, pool, autocast=accelerator.autocast)
        return Rescored(signals, tensors.sha256_of_all(trainable.state_dict()))

    return rescore
