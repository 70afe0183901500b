"""Freezing, and its proof: the SHA-256 of every tensor of the encoder, before and after training."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import nn

from tithe.checkpoints import tensors
from tithe.models import layers
from tithe.storage import freeze_proof


def freeze(model: nn.Module, setting: str | int) -> None:
    """Freeze a part of a model: parameters without gradient, and evaluation mode that `train()` does not change.

    Evaluation mode matters as much as the gradient: running averages, such as those of batch norm, are buffers that a
    forward pass in training mode updates.

    Parameters
    ----------
    setting
        The config's `model.freeze`.

    Raises
    ------
    InputError
        The encoder has fewer layers, or they cannot be found.
    """
    part = _part(model, setting)
    for name in part.parameters:
        model.get_parameter(name).requires_grad_(False)
    for name in part.modules:
        module = model.get_submodule(name).requires_grad_(False)
        for inner in module.modules():
            inner.eval()
            inner.train = partial(_keep_mode, inner)  # type: ignore[method-assign]


def _keep_mode(module: nn.Module, mode: bool = True) -> nn.Module:
    return module


def _part(model: nn.Module, setting: str | int) -> layers.Part:
    if setting == "none":
        return layers.Part()
    if setting == "all":
        return layers.Part(modules=frozenset({"encoder"}))
    return layers.below(model, int(setting))  # type: ignore[arg-type]  # only a text classifier has a number of layers


def of_encoder(model: nn.Module) -> dict[str, torch.Tensor]:
    """Return all parameters and buffers of the encoder by every name they have, also buffers that are not saved.

    Those that are saved are as they are saved: the table of a `WordTable` is whole.
    """
    named = [*model.named_parameters(remove_duplicate=False), *model.named_buffers(remove_duplicate=False)]
    every = {**dict(named), **model.state_dict()}
    return {name: tensor for name, tensor in sorted(every.items()) if name.startswith("encoder.")}


def frozen_names(model: nn.Module, setting: str | int) -> set[str]:
    """Return the names of the encoder's tensors that a setting freezes, whether or not the model is frozen.

    Buffers beside the frozen weights, such as tables that grow with the longest text, are not among them.
    """
    part = _part(model, setting)
    with_weights = [name for name in part.modules if any(True for _ in model.get_submodule(name).parameters())]
    inside = tuple(f"{name}." for name in with_weights)
    return {name for name in of_encoder(model) if name in part.parameters or name.startswith(inside)}


@dataclass(frozen=True)
class Proof:
    """The hashes of an encoder before training, to be compared with those afterwards.

    Attributes
    ----------
    setting
        The config's `model.freeze`.
    frozen
        Names of the tensors that may not change.
    before
        SHA-256 of every tensor of the encoder by its name.
    about
        Shape, dtype and kind of each tensor.
    """

    setting: str | int
    frozen: frozenset[str]
    before: dict[str, str]
    about: dict[str, dict[str, Any]]

    @classmethod
    def begin(cls, model: nn.Module, setting: str | int) -> Proof:
        """Hash the encoder of a model that is built and not yet trained.

        What may not change is decided again by the setting, so that a tensor that was not frozen is noticed.
        """
        encoder = of_encoder(model)
        parameters, saved = dict(model.named_parameters(remove_duplicate=False)), model.state_dict().keys()
        about = {
            name: {
                "kind": freeze_proof.PARAMETER
                if name in parameters
                else freeze_proof.BUFFER
                if name in saved
                else freeze_proof.NOT_SAVED,
                "dtype": str(tensor.dtype).removeprefix("torch."),
                "shape": list(tensor.shape),
            }
            for name, tensor in encoder.items()
        }
        before = {name: tensors.sha256(tensor) for name, tensor in encoder.items()}
        return cls(setting, frozenset(frozen_names(model, setting)), before, about)

    @property
    def sha256(self) -> str:
        """One digest of the complete encoder before training."""
        return freeze_proof.overall(self.before)

    def compare(self, model: nn.Module) -> dict[str, Any]:
        """Hash the encoder again and return the content of `freeze_proof.json`."""
        after = {name: tensors.sha256(tensor) for name, tensor in of_encoder(model).items()}
        entries = {
            name: {
                **self.about[name],
                "frozen": name in self.frozen,
                "before": before,
                "after": after.get(name, "missing"),
            }
            for name, before in self.before.items()
        }
        return freeze_proof.content(self.setting, entries)
