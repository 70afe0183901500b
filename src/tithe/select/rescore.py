"""Between two rounds of a selection: a model is trained on the rows so far, and thinks of all the others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from accelerate import Accelerator

from tithe import config
from tithe.arrays import Array, Rows
from tithe.checkpoints import tensors
from tithe.models import features, inference
from tithe.train import trainer

# Takes positions in the pool; returns signals of all its rows, and the SHA-256 of the model that they are from.
Rescore = Callable[[Rows], tuple[dict[str, Array], str]]


def rescore_with_model(run: config.Run, task: Any, classes: int, examples: Any, accelerator: Accelerator) -> Rescore:
    """Return what trains a fresh model of a config on some rows of a pool and scores the whole pool with it.

    The probabilities of a row that is still left are from a model that was not fit on it. An encoder that is trained
    gives new embeddings, too.

    Parameters
    ----------
    examples
        The pool's rows, as features or as the task encodes them.
    """
    on_features = isinstance(examples, features.Features)

    def rescore(rows: Rows) -> tuple[dict[str, Array], str]:
        model = task.build(classes, run.seed)
        learner = features.Probe(model.head) if on_features else model
        criterion = task.criterion(run.train.label_smoothing)
        for _ in trainer.fit(learner, criterion, examples.take(rows), run.train, run.seed, accelerator):
            pass
        probs_NC = inference.softmax(inference.logits(learner, examples, autocast=accelerator.autocast))
        found: dict[str, Array] = {"probs": probs_NC, "proxy_probs": probs_NC[:, None, :]}
        if not on_features:
            found["embeddings"] = inference.embeddings(model, examples, autocast=accelerator.autocast)
        return found, tensors.sha256_of_all(learner.state_dict())

    return rescore
