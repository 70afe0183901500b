"""A classifier and what of it is trained: all of it, or a head on the cached features of a frozen encoder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from accelerate import Accelerator
from torch import nn

from tithe import config, features, freeze


@dataclass(frozen=True)
class Network:
    """A classifier, and what of it is trained.

    Attributes
    ----------
    whole
        Encoder and head.
    learner
        What the trainer sees: the whole, or its head alone where a frozen encoder's features are cached.
    proof
        The encoder's hashes before training, where something is frozen or somebody will ask.
    """

    whole: nn.Module
    learner: nn.Module
    proof: freeze.Proof | None

    @property
    def on_features(self) -> bool:
        """Whether the head alone is trained, on features."""
        return self.learner is not self.whole

    @property
    def identity(self) -> dict[str, Any]:
        """What a checkpoint must share to fit; the encoder counts where the checkpoint may be without it."""
        return {"encoder": {"sha256": self.proof.sha256}} if self.proof and self.on_features else {}

    def encoder(self) -> dict[str, torch.Tensor]:
        """Return the encoder's weights, named as in the classifier."""
        return {name: value for name, value in self.whole.state_dict().items() if name.startswith("encoder.")}


def build(run: config.Run, task: Any, classes: int, examples: Any, accelerator: Accelerator) -> tuple[Network, Any]:
    """Build the classifier; where its whole encoder is frozen, run it over the data or find its features.

    Returns
    -------
    network, examples
        The examples are features where the learner is the head alone.

    Raises
    ------
    InputError
        The encoder's weights can't be loaded, or it can't be frozen as asked.
    Interrupted
        A signal asked for a stop; features that are done are kept.
    """
    model = task.build(classes, run.seed)
    asked = run.model.freeze != "none" or run.checkpoint.single_files
    proof = freeze.Proof.begin(model, run.model.freeze) if asked else None
    if proof and run.model.freeze == "all" and run.train.cache_features:
        made_by = {"encoder": proof.sha256, "pooling": task.pooling, "attention": run.model.attention}
        found = features.cached(model, examples, made_by, accelerator)
        if found is not None:
            return Network(model, features.Probe(model.head), proof), found
    return Network(model, model, proof), examples
