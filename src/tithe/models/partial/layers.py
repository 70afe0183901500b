"""What lies below a layer of an encoder, by what feeds that layer in a forward pass and not by names of attributes.

Encoders differ in where they keep what comes before their layers: in `embeddings`, beside them (the positions of GPT-2
and OPT), after them (the projection of ELECTRA), or in the module that has the layers (the relative positions of
DeBERTa-v2 and MPNet); XLM keeps the parts of a layer in four lists. The graph that autograd records knows them all.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.autograd.graph import Node, get_gradient_edge

from tithe.errors import InputError
from tithe.models.classifier import Classifier

# Sixteen tokens are enough for every structure (Funnel halves them in each block); their ids are in every vocabulary.
_ROWS = [[2, 3] * 8, [3, 2] * 8]


@dataclass(frozen=True)
class Part:
    """A part of a network, by the names in it.

    Attributes
    ----------
    modules
        Modules that belong to the part with everything in them.
    parameters
        Parameters that belong to it, in whatever module they are.
    """

    modules: frozenset[str] = frozenset()
    parameters: frozenset[str] = frozenset()


def below(model: Classifier, layers: int) -> Part:
    """Return the first layers of a classifier's encoder and all that feeds the next one.

    That includes what layers below and above share, such as relative positions, and modules without weights that run
    before the next layer, such as dropout. A dropout that an encoder applies without a module (XLM) is not included.

    Parameters
    ----------
    layers
        The number of first layers, from 1.

    Raises
    ------
    InputError
        The encoder has fewer layers, or they cannot be found: they share their weights, do not run in order, or do not
        run on a short text.
    """
    trace = _Trace.record(model)
    layer_of = _layers(model, trace)
    depth = len(set(layer_of.values()))
    if layers > depth:
        raise InputError(f"model.freeze {layers} is more than the {depth} layers of the encoder: set it to all")
    # After the last layer there is none to be fed: what feeds the last one lies below it as well.
    next_layer = min(layers, depth - 1)
    begin = next(i for i, call in enumerate(trace.calls) if layer_of.get(call.name) == next_layer)
    reached = _reach(trace.calls[begin].inputs, trace.parameters)
    if next_layer and not any(layer_of.get(name.rpartition(".")[0]) == next_layer - 1 for name in reached):
        raise _not_found(model)  # it computes without autograd's graph
    used = _reach(trace.output, trace.parameters)
    ran = {call.name for call in trace.calls[:begin]}

    def is_below(name: str, module: nn.Module) -> bool:
        if name in layer_of:
            return layer_of[name] < layers
        if any(inner.startswith(f"{name}.") for inner in layer_of):
            return False
        weights = {inner for inner in trace.parameters if inner.startswith(f"{name}.")}
        return weights & used <= reached and bool(weights & used) if weights else name in ran

    modules = model.encoder.named_modules(prefix="encoder")
    return Part(frozenset(name for name, module in modules if is_below(name, module)), frozenset(reached))


@dataclass(frozen=True)
class _Call:
    """A module that ran, and where its inputs are in autograd's graph."""

    name: str
    inputs: Sequence[Node]


@dataclass(frozen=True)
class _Trace:
    """A forward pass: every call of a module, in order, and the graph from the parameters to the pooled states."""

    calls: Sequence[_Call]
    output: Sequence[Node]
    parameters: Mapping[str, nn.Parameter]

    @classmethod
    def record(cls, model: Classifier) -> _Trace:
        """Run a copy of a classifier that shares its weights, so that nothing in the classifier itself changes."""
        weights: dict[int, Any] = {id(p): nn.Parameter(p.detach()) for p in model.parameters()}
        twin = copy.deepcopy(model, weights).eval()
        calls: list[_Call] = []
        for name, module in twin.named_modules():
            module.register_forward_pre_hook(partial(_note, calls, name), with_kwargs=True)
        parameters = dict(twin.named_parameters(remove_duplicate=False))
        device = next(model.parameters()).device
        with torch.enable_grad(), torch.random.fork_rng(devices=[]):
            try:
                output = twin.embed({"input_ids": torch.tensor(_ROWS, device=device)})
            except Exception as error:  # whatever an encoder raises, for example for rows of another length
                said = " ".join(str(error).split())
                raise _not_found(model, f", which does not run on a short text ({said})") from None
        return cls(calls, _nodes(output), parameters)


def _note(calls: list[_Call], name: str, module: nn.Module, args: Any, kwargs: Any) -> None:
    # Now, and not after the pass: a layer may change its input in place.
    calls.append(_Call(name, _nodes([args, kwargs])))


def _nodes(values: Any) -> list[Node]:
    return [get_gradient_edge(tensor).node for tensor in tensors_in(values) if tensor.requires_grad]


def tensors_in(values: Any) -> Iterator[torch.Tensor]:
    """Yield the tensors in nested lists, tuples and mappings."""
    if isinstance(values, torch.Tensor):
        yield values
    elif isinstance(values, Mapping | list | tuple):
        for value in values.values() if isinstance(values, Mapping) else values:
            yield from tensors_in(value)


def _reach(nodes: Iterable[Node], parameters: Mapping[str, nn.Parameter]) -> set[str]:
    """Return the names of the parameters from which a path leads to some nodes.

    The graph is only read: no gradient is computed, which would be as large as the parameter and may be zero.
    """
    seen, waiting = set(nodes), list(nodes)
    while waiting:
        inputs = {node for node, _ in waiting.pop().next_functions if node is not None} - seen
        seen |= inputs
        waiting += inputs
    leaves = {id(getattr(node, "variable", None)) for node in seen}
    return {name for name, parameter in parameters.items() if id(parameter) in leaves}


def _layers(model: Classifier, trace: _Trace) -> dict[str, int]:
    """Return the layer of each module inside a layer: those of lists that are as long as the encoder is deep.

    Several lists are the parts of the same layers if together they run in order.
    """
    depth = getattr(model.encoder.config, "num_hidden_layers", None)
    found: dict[str, int] = {}
    for name, stack in model.named_modules():
        if not isinstance(stack, nn.ModuleList) or len(stack) != depth or name in found:
            continue
        inside = [(i, *named) for i, layer in enumerate(stack) for named in layer.named_modules(prefix=f"{name}.{i}")]
        times = Counter(id(module) for _, _, module in inside)
        # What several layers share, such as an activation, runs in no order.
        own = {inner: i for i, inner, module in inside if times[id(module)] == 1}
        order = [{**found, **own}[call.name] for call in trace.calls if call.name in found or call.name in own]
        if order == sorted(order) and len({own[call.name] for call in trace.calls if call.name in own}) == depth:
            found |= own
    if not found:
        raise _not_found(model)
    return found


def _not_found(model: Classifier, why: str = "") -> InputError:
    kind = model.encoder.config.model_type  # type: ignore[union-attr]
    return InputError(f"cannot find the encoder layers of {kind}{why}: set model.freeze to all or none")
