"""A classifier and its trainable part: all of it, or a head on the cached features of a frozen encoder."""

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
from tithe.errors import InputError
from tithe.models import features, trial_pass
from tithe.models.classifier import Classifier
from tithe.models.examples import Encodable, Examples
from tithe.models.partial import adapters, freeze, word_table
from tithe.models.tokens import TextExamples


@dataclass(frozen=True)
class Network:
    """A classifier before training, and the part of it to train.

    Attributes
    ----------
    classifier
        The complete network.
    trainable
        What the trainer sees: the classifier, or only its head if a frozen encoder's features are cached.
    proof
        The encoder's hashes before training, if a part of it is frozen or the weights are saved as single files.
    encoder_key
        What the encoder's features depend on besides its weights; see `Task.encoder_key`.
    is_frozen
        Whether the whole encoder is frozen.
    """

    classifier: nn.Module
    trainable: nn.Module
    proof: freeze.Proof | None
    encoder_key: Mapping[str, str]
    is_frozen: bool

    @property
    def on_features(self) -> bool:
        """Whether only the head is trained, on features."""
        return self.trainable is not self.classifier

    @cached_property
    def encoder_sha256(self) -> str:
        """SHA-256 of the encoder's tensors before training, taken from the proof if there is one."""
        return (self.proof or freeze.Proof.begin(self.classifier, "all")).sha256

    @property
    def cache_key(self) -> dict[str, str]:
        """What the encoder's features depend on besides the inputs."""
        return {"sha256": self.encoder_sha256, **self.encoder_key}

    @property
    def fingerprint(self) -> dict[str, Any]:
        """What a checkpoint must match on resume: it does not contain the weights of an encoder that stays as it is."""
        is_fixed = self.is_frozen or adapters.are_in(self.classifier)
        return {"encoder": encoder_fingerprint(self.encoder_sha256, self.encoder_key)} if is_fixed else {}

    def adapt_state(self, state: TrainState) -> TrainState:
        """Drop a frozen encoder from a checkpoint's state, or add it, so that the state fits the trainable network.

        Raises
        ------
        InputError
            The checkpoint trained other tensors, for example with another `model.freeze` or other adapters.
        """
        own = self.trainable.state_dict()
        saved = sum(len(group["params"]) for group in state.optimizer["param_groups"])
        now = sum(parameter.requires_grad for parameter in self.trainable.parameters())
        if saved != now:
            raise InputError(
                f"the checkpoint trained {saved} tensors, and this run trains {now}: keep model.freeze, model.lora "
                "or images.lora, and the version of tithe, or start a new run without resume"
            )

        adapters.load(self.trainable, state)

        def fit(saved: dict[str, Any]) -> dict[str, Any]:
            return {n: saved.get(n, value) if n.startswith("encoder.") else saved[n] for n, value in own.items()}

        return dataclasses.replace(state, model=fit(state.model), ema=fit(state.ema) if state.ema else None)

    def complete(self) -> adapters.Merged:
        """Make a trained classifier an ordinary one: with the words that the data lack, and without adapters."""
        word_table.restore(self.classifier)
        return adapters.merge(self.classifier)

    def encoder(self) -> dict[str, torch.Tensor]:
        """Return the encoder's weights, named as in the classifier."""
        return {name: value for name, value in self.classifier.state_dict().items() if name.startswith("encoder.")}


def begin(run: config.Run, model: nn.Module, encoder_key: Mapping[str, str], examples: Examples) -> Network:
    """Return a fresh classifier as a network to train, with the words of the data alone where that is possible.

    Parameters
    ----------
    model
        The network that the task builds.
    encoder_key
        See `Task.encoder_key`.
    examples
        All rows, as the task encodes them.

    Raises
    ------
    InputError
        `model.trim_vocabulary` is true, and the encoder's table can't be trained in part.
    """
    has_proof = run.frozen != "none" or run.checkpoint.single_files
    proof = freeze.Proof.begin(model, run.frozen) if has_proof else None
    if isinstance(model, Classifier) and isinstance(examples, TextExamples):
        word_table.trim(model, run, examples)
    return Network(model, model, proof, encoder_key, run.frozen == "all")


def build(
    run: config.Run,
    begun: Network,
    examples: Examples,
    accelerator: Accelerator,
    states: features.States = features.states_here,
) -> tuple[Network, Examples]:
    """Decide which part of a network is trained; if its whole encoder is frozen, load or compute its features.

    Parameters
    ----------
    states
        See `features.cached`.

    Returns
    -------
    network, examples
        The examples are features if only the head is trained.

    Raises
    ------
    InputError
        The network can't be run as training would run it; see `trial_pass.run`.
    Interrupted
        A signal requested a stop; finished features are kept.
    """
    model = begun.classifier
    if not (isinstance(model, features.Embedder) and isinstance(examples, Encodable)):
        return begun, examples
    on_features = begun.is_frozen and run.train.cache_features
    is_done = on_features and features.are_cached(examples, begun.cache_key, accelerator)
    if isinstance(model, Classifier) and isinstance(examples, TextExamples) and not is_done:
        trial_pass.run(model, examples, run.model.max_length, accelerator)
    if on_features:
        cached = features.cached(model, examples, begun.cache_key, accelerator, states)
        if cached is not None:
            return dataclasses.replace(begun, trainable=features.Probe(model.head)), cached
    return begun, examples


def frozen_features(
    model: features.Embedder, encoder_key: Mapping[str, str], examples: Encodable, accelerator: Accelerator
) -> features.Features:
    """Return the features that `build` trains the head of such a classifier on; in memory if the cache has no room."""
    network = Network(model, model, None, encoder_key, is_frozen=True)
    cached = features.cached(model, examples, network.cache_key, accelerator)
    return features.computed(model, examples, accelerator) if cached is None else cached


def encoder_fingerprint(sha256: str, encoder_key: Mapping[str, str]) -> dict[str, str]:
    """Return what identifies an encoder: the hashes of its tensors and of its configuration."""
    return {"sha256": sha256, "config": encoder_key["config"]}
