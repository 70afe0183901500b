"""Between rounds of a selection: train a model on the rows chosen so far, and score the whole pool with it."""

from __future__ import annotations

from collections.abc import Callable

from tithe.arrays import Array, Rows
from tithe.checkpoints import tensors
from tithe.models import features, inference
from tithe.models.classifier import Classifier
from tithe.train import trainer
from tithe.train.setup import Setup
from tithe.train.trainer import FitOptions

# Takes positions in the pool; returns signals of all its rows, and the SHA-256 of the model that computed them.
Rescore = Callable[[Rows], tuple[dict[str, Array], str]]


def rescore_with_model(setup: Setup) -> Rescore:
    """Return a function that trains a new model on some rows of the pool and scores the whole pool with it.

    Rows that are not chosen yet are scored by a model that was not trained on them. If the encoder is trained, the
    embeddings are recomputed as well.
    """
    run, task, accelerator, pool = setup.run, setup.task, setup.accelerator, setup.pool
    on_features = setup.network.on_features

    def rescore(rows: Rows) -> tuple[dict[str, Array], str]:
        model = task.build(setup.classes, run.seed)
        assert isinstance(model, Classifier)  # strategies choose among texts
        trainable = features.Probe(model.head) if on_features else model
        options = FitOptions(run.train, run.seed, accelerator)
        for _ in trainer.fit(trainable, task.criterion(run.train.label_smoothing), pool.take(rows), options):
            pass
        probs_NC = inference.softmax(inference.logits(trainable, pool, autocast=accelerator.autocast))
        signals: dict[str, Array] = {"probs": probs_NC, "proxy_probs": probs_NC[:, None, :]}
        if not on_features:
            signals["embeddings"] = inference.embeddings(model, pool, autocast=accelerator.autocast)
        return signals, tensors.sha256_of_all(trainable.state_dict())

    return rescore
