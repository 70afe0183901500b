"""Freezing, and its proof: the SHA-256 of every tensor of the encoder, before and after training."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import nn

from tithe.checkpoints import tensors
from tithe.storage import freeze_proof


def freeze(modules: Iterable[nn.Module]) -> None:
    """Freeze modules: parameters without gradient, and evaluation mode that `train()` does not change.

    Evaluation mode matters as much as the gradient: running averages, such as those of batch norm, are buffers that a
    forward pass in training mode updates.
    """
    for module in modules:
        for parameter in module.parameters():
            parameter.requires_grad_(False)
        for part in module.modules():
            part.eval()
            part.train = partial(_keep_mode, part)  # type: ignore[method-assign]


def _keep_mode(module: nn.Module, mode: bool = True) -> nn.Module:
    return module


def is_frozen(module: nn.Module) -> bool:
    """Return whether `freeze` was applied to a module."""
    return isinstance(module.__dict__.get("train"), partial)


def of_encoder(model: nn.Module, within: str = "encoder.") -> dict[str, torch.Tensor]:
    """Return all parameters and buffers whose names start with a prefix, including buffers that are not saved."""
    named = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    return {name: tensor for name, tensor in sorted(named.items()) if name.startswith(within)}


def frozen_names(model: nn.Module, within: str = "encoder.") -> set[str]:
    """Return the names of the tensors in frozen modules."""
    inside = [f"{name}." for name, module in model.named_modules() if is_frozen(module)]
    return {name for name in of_encoder(model, within) if name.startswith(tuple(inside))}


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
        """Hash the encoder of a model that is built and frozen, and not yet trained."""
        encoder = of_encoder(model)
        parameters, saved = dict(model.named_parameters()), model.state_dict().keys()
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
        return cls(setting, frozenset(frozen_names(model)), before, about)

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
