"""A classifier and what of it is trained: all of it, or a head on the cached features of a frozen encoder."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from accelerate import Accelerator
from torch import nn

from tithe import config
from tithe.checkpoints.state import TrainState
from tithe.models import features, freeze
from tithe.models.classifier import Classifier
from tithe.models.examples import Encodable, Examples


@dataclass(frozen=True)
class Network:
    """A classifier before it is trained, and what of it will be.

    Attributes
    ----------
    classifier
        The whole network.
    trainable
        What the trainer sees: the whole, or its head alone where a frozen encoder's features are cached.
    proof
        The encoder's hashes before training, where something is frozen or the weights will be saved for use elsewhere.
    encoder_key
        What makes the encoder's features besides its weights; see `Task.encoder_key`.
    is_frozen
        Whether the whole encoder is.
    """

    classifier: nn.Module
    trainable: nn.Module
    proof: freeze.Proof | None
    encoder_key: Mapping[str, str]
    is_frozen: bool

    @property
    def on_features(self) -> bool:
        """Whether the head alone is trained, on features."""
        return self.trainable is not self.classifier

    @cached_property
    def encoder_sha256(self) -> str:
        """SHA-256 of the encoder's tensors before training; a proof has hashed them already."""
        return (self.proof or freeze.Proof.begin(self.classifier, "all")).sha256

    @property
    def cache_key(self) -> dict[str, str]:
        """What makes the encoder's features besides the inputs."""
        return {"sha256": self.encoder_sha256, **self.encoder_key}

    @property
    def fingerprint(self) -> dict[str, Any]:
        """What a checkpoint must share to fit: one of a head alone is without the encoder that it was trained on."""
        return {"encoder": encoder_fingerprint(self.encoder_sha256, self.encoder_key)} if self.is_frozen else {}

    def adapt_state(self, state: TrainState) -> TrainState:
        """Leave out, or fill in, a frozen encoder that only one of checkpoint and trainable network holds."""
        own = self.trainable.state_dict()

        def fit(saved: dict[str, Any]) -> dict[str, Any]:
            return {n: saved.get(n, value) if n.startswith("encoder.") else saved[n] for n, value in own.items()}

        return dataclasses.replace(state, model=fit(state.model), ema=fit(state.ema) if state.ema else None)

    def encoder(self) -> dict[str, torch.Tensor]:
        """Return the encoder's weights, named as in the classifier."""
        return {name: value for name, value in self.classifier.state_dict().items() if name.startswith("encoder.")}


def build(
    run: config.Run, model: nn.Module, encoder_key: Mapping[str, str], examples: Examples, accelerator: Accelerator
) -> tuple[Network, Examples]:
    """Decide what of a fresh classifier is trained; where its whole encoder is frozen, find or compute its features.

    Parameters
    ----------
    model
        As the task builds it.
    encoder_key
        See `Task.encoder_key`.
    examples
        All rows, as the task encodes them.

    Returns
    -------
    network, examples
        The examples are features where the head alone is trained.

    Raises
    ------
    Interrupted
        A signal asked for a stop; features that are done are kept.
    """
    is_frozen = run.model.freeze == "all"
    has_proof = run.model.freeze != "none" or run.checkpoint.single_files
    proof = freeze.Proof.begin(model, run.model.freeze) if has_proof else None
    network = Network(model, model, proof, encoder_key, is_frozen)
    if not (is_frozen and run.train.cache_features):
        return network, examples
    if isinstance(model, Classifier) and isinstance(examples, Encodable):
        cached = features.cached(model, examples, network.cache_key, accelerator)
        if cached is not None:
            return dataclasses.replace(network, trainable=features.Probe(model.head)), cached
    return network, examples


def encoder_fingerprint(sha256: str, encoder_key: Mapping[str, str]) -> dict[str, str]:
    """Return what tells an encoder from others: its tensors, and its configuration."""
    return {"sha256": sha256, "config": encoder_key["config"]}
