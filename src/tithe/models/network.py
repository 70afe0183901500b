"""A classifier and what of it is trained: all of it, or a head on the cached features of a frozen encoder."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import torch
from accelerate import Accelerator
from torch import nn

from tithe import config
from tithe.checkpoints.state import TrainState
from tithe.models import features, freeze


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
    frozen
        What tells a wholly frozen encoder from others; None where it is trained.
    """

    whole: nn.Module
    learner: nn.Module
    proof: freeze.Proof | None
    frozen: dict[str, str] | None

    @property
    def on_features(self) -> bool:
        """Whether the head alone is trained, on features."""
        return self.learner is not self.whole

    @property
    def identity(self) -> dict[str, Any]:
        """What a checkpoint must share to fit: one of a head alone is without the encoder that it stands on."""
        return {"encoder": self.frozen} if self.frozen else {}

    def fitted(self, state: TrainState) -> TrainState:
        """Leave out, or fill in, a frozen encoder that only one of checkpoint and learner holds."""
        own = self.learner.state_dict()

        def fit(saved: dict[str, Any]) -> dict[str, Any]:
            return {n: saved.get(n, value) if n.startswith("encoder.") else saved[n] for n, value in own.items()}

        return dataclasses.replace(state, model=fit(state.model), ema=fit(state.ema) if state.ema else None)

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
    frozen = encoder_identity(model, task) if run.model.freeze == "all" else None
    if frozen and run.train.cache_features:
        made_by = {**frozen, "pooling": task.pooling, "attention": run.model.attention}
        found = features.cached(model, examples, made_by, accelerator)
        if found is not None:
            return Network(model, features.Probe(model.head), proof, frozen), found
    return Network(model, model, proof, frozen), examples


def encoder_identity(model: nn.Module, task: Any) -> dict[str, str]:
    """Return what tells an encoder from others: its tensors, and how they are computed with."""
    return {"sha256": freeze.Proof.begin(model, "all").sha256, "config": task.encoder_sha256}
