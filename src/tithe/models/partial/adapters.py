"""Low-rank adapters beside an encoder's linear layers, by peft (LoRA, Hu et al. 2022): they and the head are trained.

In training a layer computes W·x + scale · B·A·x, where W, the encoder's own weight, stays as it is. Everywhere else it
is one matrix, W + scale · B·A: in evaluation, in every state dict, and for good when the run has ended. So what is
judged is what is saved, bit for bit, and what is saved is an ordinary encoder. A state dict that is loaded does not
change a layer with an adapter, since a sum can't be taken apart: A and B are restored by themselves.
"""

from __future__ import annotations

import contextlib
import re
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.func import functional_call

from tithe import config, plugins
from tithe.checkpoints import tensors
from tithe.checkpoints.state import TrainState
from tithe.errors import InputError
from tithe.models.partial import targets

_NAME = "default"  # that of peft for the only adapter of a layer
_BASE = "base_layer"  # its name of the layer that there was before
_NOW, _AVERAGE = "now", "average"
_APART = "is_apart"  # an attribute of a layer whose state dict shows its own weight
_ROUNDING = 1e-6  # of weights near 1: another device sums in another order


def add(model: nn.Module, settings: config.Lora) -> None:
    """Put adapters beside linear layers of the `encoder` of a network, and freeze its own weights.

    A is drawn from torch's generator and B is zero, so that the network computes what it did before.

    Raises
    ------
    InputError
        peft is not installed, or a target is no linear layer of this encoder.
    """
    peft, encoder = plugins.require("peft", extra="lora"), model.get_submodule("encoder")
    how = peft.LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        target_modules="|".join(map(re.escape, targets.find(encoder, settings))),  # names would match as ends
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it finds out by itself which way round the weight of a layer is
        peft.inject_adapter_in_model(how, encoder, adapter_name=_NAME)
    del encoder.peft_config
    for layer in _layers(model).values():
        layer.forward = partial(_forward, layer)
        layer.register_state_dict_post_hook(_save_merged)
        layer.register_load_state_dict_pre_hook(_keep_parts)


def check(encoder: nn.Module, settings: config.Lora) -> None:
    """Check that adapters can be put into an encoder, whose weights need not be there.

    Raises
    ------
    InputError
        See `add`.
    """
    plugins.require("peft", extra="lora")
    targets.find(encoder, settings)


def are_in(model: nn.Module) -> bool:
    """Return whether a model has adapters."""
    return bool(_layers(model))


def moving(model: nn.Module) -> dict[str, torch.Tensor]:
    """Return what a step may change, not copied: all that a state dict has or, with adapters, all that is trained."""
    if not are_in(model):
        return model.state_dict()
    return {name: parameter.detach() for name, parameter in model.named_parameters() if parameter.requires_grad}


def state(model: nn.Module, average: Mapping[str, torch.Tensor]) -> dict[str, Any] | None:
    """Return what a checkpoint needs to continue, besides the state dict; None without adapters.

    Parameters
    ----------
    average
        The averages of what `moving` returns; empty if there are none.
    """
    layers = _layers(model)
    if not layers:
        return None
    return {_NOW: _factors(layers), **({_AVERAGE: dict(average)} if average else {})}


def sizes(model: nn.Module) -> int:
    """Return the bytes of the weights beside adapters: of their sums, which a state dict computes."""
    return sum(_own(layer).numel() * _own(layer).element_size() for layer in _layers(model).values())


def averages(saved: TrainState) -> dict[str, torch.Tensor] | None:
    """Return the averages of what `moving` returns in the state of a checkpoint; None if it has none."""
    return saved.adapters.get(_AVERAGE) if saved.adapters else saved.ema


def load(model: nn.Module, saved: TrainState) -> None:
    """Restore A and B from a checkpoint's state; a model without adapters does not change.

    Raises
    ------
    InputError
        It has other adapters, or its weights are not the sums of these and this encoder's.
    """
    if not are_added(model, saved):
        raise InputError(
            "the weights of the checkpoint are not those of this encoder with such adapters: keep the encoder and "
            "model.lora or images.lora, or start a new run without resume"
        )


def are_added(model: nn.Module, saved: TrainState) -> bool:
    """Restore A and B, and return whether the weights of a checkpoint are the sums of the encoder's and of theirs."""
    layers, held = _layers(model), saved.adapters or {}
    is_average = not (layers and saved.ema) or _are_sums(layers, held.get(_AVERAGE, {}), saved.ema)
    return _are_sums(layers, held.get(_NOW, {}), saved.model) and is_average  # the last ones stay


@contextlib.contextmanager
def apart(model: nn.Module) -> Iterator[None]:
    """Inside the block, a state dict has the encoder's own weights, without the adapters."""
    layers = _layers(model).values()
    for layer in layers:
        vars(layer)[_APART] = True
    try:
        yield
    finally:
        for layer in layers:
            del vars(layer)[_APART]


def plain(model: nn.Module, named: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return tensors by the names that they have without adapters, and without those of the adapters."""
    inside = tuple(f"{name}." for name in _layers(model))
    kept = {name: tensor for name, tensor in named.items() if f".{_BASE}." in name or not name.startswith(inside)}
    return {name.replace(f".{_BASE}.", "."): tensor for name, tensor in kept.items()}


@dataclass(frozen=True)
class Merged:
    """What adapters were before they were merged.

    Attributes
    ----------
    before
        SHA-256 of the encoder's own weights beside them, by the name of each.
    parameters
        Numbers in the adapters: they were trained, and are no longer there.
    """

    before: Mapping[str, str]
    parameters: int


def merge(model: nn.Module) -> Merged:
    """Make every layer with an adapter an ordinary one, with the sum as its weight."""
    layers = _layers(model)
    merged = Merged(
        {f"{name}.weight": tensors.sha256(_own(layer)) for name, layer in layers.items()},
        sum(value.numel() for value in _factors(layers).values()),
    )
    for name, layer in layers.items():
        parent, _, child = name.rpartition(".")
        with torch.no_grad():
            _own(layer).copy_(_sum(layer))
        setattr(model.get_submodule(parent), child, layer.get_submodule(_BASE))
    return merged


def _layers(model: nn.Module) -> dict[str, nn.Module]:
    """Return the layers with an adapter by their names. Without one, peft is not imported, and need not be there."""
    return {name: module for name, module in model.named_modules() if hasattr(module, "lora_A")}


def _factors(layers: Mapping[str, nn.Module]) -> dict[str, torch.Tensor]:
    """Return A and B of each layer, not copied."""
    return {
        f"{name}.{part}.{_NAME}.weight": layer.get_parameter(f"{part}.{_NAME}.weight").detach()
        for name, layer in layers.items()
        for part in ("lora_A", "lora_B")
    }


def _own(layer: nn.Module) -> nn.Parameter:
    return layer.get_parameter(f"{_BASE}.weight")


def _sum(layer: nn.Module) -> torch.Tensor:
    weight = _own(layer)
    with torch.autocast(weight.device.type, enabled=False):  # a sum in bf16 would lose the adapter
        total: torch.Tensor = weight + layer.get_delta_weight(_NAME)  # type: ignore[operator]
    return total


def _are_sums(
    layers: Mapping[str, nn.Module], trained: Mapping[str, torch.Tensor], weights: Mapping[str, torch.Tensor]
) -> bool:
    """Set A and B, and return whether saved weights are the sums."""
    own, found = _factors(layers), {name: value for name, value in trained.items() if ".lora_" in name}
    if {name: value.shape for name, value in own.items()} != {name: value.shape for name, value in found.items()}:
        return False
    for name, value in own.items():
        value.copy_(found[name])
    with torch.no_grad():
        pairs = ((_sum(layer).cpu(), weights[f"{name}.weight"].cpu()) for name, layer in layers.items())
        return all(torch.allclose(total, weight, rtol=10 * _ROUNDING, atol=_ROUNDING) for total, weight in pairs)


def _forward(layer: Any, x: torch.Tensor) -> torch.Tensor:
    """Compute a layer with an adapter: W·x + scale · B·A·x in training, (W + scale · B·A)·x elsewhere.

    The former adds to W·x in place: peft's own way makes three more tensors of its size, which leave holes in the heap.
    """
    base = layer.get_submodule(_BASE)
    if not layer.training:
        return functional_call(base, {"weight": _sum(layer)}, (x,))  # type: ignore[no-any-return]
    out: torch.Tensor = base(x)
    inner = layer.lora_A[_NAME](layer.lora_dropout[_NAME](x))
    inner_NR, factor_RD = (t.to(out.dtype) for t in (inner.flatten(0, -2), layer.lora_B[_NAME].weight.t()))
    out.view(-1, out.shape[-1]).addmm_(inner_NR, factor_RD, alpha=layer.scaling[_NAME])
    return out


def _save_merged(layer: nn.Module, state: dict[str, Any], prefix: str, _: object) -> None:
    """Replace the entries of a layer in a state dict by those that it would have without an adapter."""
    for name in [name for name in state if name.startswith(prefix)]:
        value = state.pop(name)
        if name.startswith(f"{prefix}{_BASE}."):
            state[prefix + name.removeprefix(f"{prefix}{_BASE}.")] = value
    if _APART not in vars(layer):
        with torch.no_grad():
            state[f"{prefix}weight"] = _sum(layer)


def _keep_parts(
    layer: nn.Module, state: dict[str, Any], prefix: str, _: object, __: bool, missing: list[str], *___: Any
) -> None:
    """Replace the entries of a layer in a state dict to load by what the layer has."""
    for name, _weight in layer.get_submodule(_BASE).named_parameters():
        if state.pop(prefix + name, None) is None:
            missing.append(prefix + name)
    state.update({prefix + name: own.detach() for name, own in layer.named_parameters()})
