"""Freezing, and its proof: the SHA-256 of every tensor of the encoder, before and after training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import nn

from tithe.checkpoints import tensors
from tithe.models.partial import adapters, layers
from tithe.storage import freeze_proof


def freeze(model: nn.Module, setting: str | int) -> None:
    """Freeze a part of a model: parameters without gradient, and evaluation mode that `train()` does not change.

    Evaluation mode matters as much as the gradient: running averages, such as those of batch norm, are buffers that a
    forward pass in training mode updates.

    Parameters
    ----------
    setting
        The config's `model.freeze`, or `lora`.

    Raises
    ------
    InputError
        The encoder has fewer layers, or they cannot be found.
    """
    if setting == freeze_proof.LORA:  # the adapters, which are inside, have frozen the weights
        for module in model.get_submodule("encoder").modules():
            if getattr(module, "running_mean", None) is not None:
                _keep_evaluating(module)
        return
    part = _part(model, setting)
    for name in part.parameters:
        model.get_parameter(name).requires_grad_(False)
    for name in part.modules:
        module = model.get_submodule(name).requires_grad_(False)
        for inner in module.modules():
            _keep_evaluating(inner)


def _keep_evaluating(module: nn.Module) -> None:
    module.eval()
    module.train = partial(_keep_mode, module)  # type: ignore[method-assign]


def _keep_mode(module: nn.Module, mode: bool = True) -> nn.Module:
    return module


def _part(model: nn.Module, setting: str | int) -> layers.Part:
    if setting == "none":
        return layers.Part()
    if setting in ("all", freeze_proof.LORA):
        return layers.Part(modules=frozenset({"encoder"}))
    return layers.below(model, int(setting))  # type: ignore[arg-type]  # only a text classifier has a number of layers


def of_encoder(model: nn.Module) -> dict[str, torch.Tensor]:
    """Return all parameters and buffers of the encoder by every name they have, also buffers that are not saved.

    Those that are saved are as they are saved: the table of a `WordTable` is whole. But weights beside adapters are
    those of the encoder, without them.
    """
    with adapters.apart(model):
        every = {**_parameters(model), **dict(model.named_buffers(remove_duplicate=False)), **model.state_dict()}
    return {name: tensor for name, tensor in sorted(every.items()) if name.startswith("encoder.")}


def _parameters(model: nn.Module) -> dict[str, torch.Tensor]:
    return adapters.plain(model, dict(model.named_parameters(remove_duplicate=False)))


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
        The config's `model.freeze`, or `lora`.
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
        with adapters.apart(model):
            parameters, saved = _parameters(model), model.state_dict().keys()
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

    def compare(self, model: nn.Module, unmerged: Mapping[str, str] | None = None) -> dict[str, Any]:
        """Hash the encoder again and return the content of `freeze_proof.json`.

        Parameters
        ----------
        unmerged
            SHA-256 after training of the weights that had an adapter, taken before it was added to them; none had one
            when unset.
        """
        found = {name: tensors.sha256(tensor) for name, tensor in of_encoder(model).items()}
        unmerged = unmerged or {}
        after = {**found, **unmerged}
        entries = {
            name: {
                **self.about[name],
                "frozen": name in self.frozen,
                "before": before,
                "after": after.get(name, "missing"),
                **({"merged": found.get(name, "missing")} if name in unmerged else {}),
            }
            for name, before in self.before.items()
        }
        return freeze_proof.content(self.setting, entries)
