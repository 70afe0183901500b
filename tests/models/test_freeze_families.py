"""Nothing below the first layer that trains moves, in whatever family of encoders, by gradient and by hash."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from support.encoder_families import DEPTH, FAMILIES, REFUSED, VOCABULARY, built
from support.freezing import Sentences, train, trainable
from tithe.errors import InputError
from tithe.models.classifier import Classifier
from tithe.models.partial import freeze

pytestmark = pytest.mark.usefixtures("seeded")  # networks are built, and drop out, by the global generator


def first_layer(model: Classifier) -> torch.Tensor:
    """What the encoder itself says that its first layer gives, which the rule for freezing does not ask it."""
    words = torch.arange(4, VOCABULARY).view(4, -1)
    outputs: Any = model.eval().encoder(input_ids=words, output_hidden_states=True)
    return outputs.hidden_states[1]


def feeding(states: torch.Tensor, model: Classifier) -> set[str]:
    named = [(name, p) for name, p in model.named_parameters(remove_duplicate=False) if p.requires_grad]
    names, parameters = zip(*named, strict=True)
    gradients = torch.autograd.grad(states.sum(), parameters, allow_unused=True)
    return {name for name, gradient in zip(names, gradients, strict=True) if gradient is not None}


@pytest.mark.parametrize("family", FAMILIES)
def test_nothing_below_the_first_layer_that_trains_moves(family: str) -> None:
    model = built(family)
    below = feeding(first_layer(model), model)
    with torch.no_grad():  # where a gradient is needed, attention may take another kernel, which rounds differently
        before = first_layer(model)
    freeze.freeze(model, 1)
    begun = freeze.Proof.begin(model, 1)
    assert below and below <= begun.frozen and not trainable(model) & begun.frozen
    train(model, Sentences(16, VOCABULARY))
    proof = begun.compare(model)
    moved = {name for name, entry in proof["tensors"].items() if entry["before"] != entry["after"]}
    assert proof["holds"] is True and moved and not moved & below
    with torch.no_grad():  # on some processors the last digit of CANINE's depends on what ran before it
        torch.testing.assert_close(first_layer(model), before, rtol=0, atol=1e-6)


# One of each structure: what comes before the layers is inside `embeddings`, beside them, shared, or in several lists.
STRUCTURES = ("bert", "modernbert", "gpt2", "opt", "xlm", "electra", "deberta_v2", "mpnet", "t5", "big_bird", "funnel")


@pytest.mark.parametrize("family", STRUCTURES)
def test_looking_for_the_layers_changes_nothing_and_draws_nothing(family: str) -> None:
    model = built(family).train()
    tensors = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    modes = {name: module.training for name, module in model.named_modules()}
    kinds = {name: type(module) for name, module in model.named_modules()}
    learn = trainable(model)
    state = torch.get_rng_state()
    every = [freeze.frozen_names(model, layers) for layers in range(1, DEPTH + 1)]
    assert every[0] < every[1] < every[2] <= set(freeze.of_encoder(model))
    assert torch.equal(torch.get_rng_state(), state) and trainable(model) == learn
    assert {name: module.training for name, module in model.named_modules()} == modes
    assert {name: type(module) for name, module in model.named_modules()} == kinds
    assert all(torch.equal(tensor, tensors[name]) for name, tensor in model.state_dict().items())


# Where the two-layer encoders of the other tests keep their weights, these keep theirs: what `embeddings and the first
# N layers` has always meant for them.
WHOLE = {
    "bert": ("encoder.embeddings.", "encoder.encoder.layer.{}."),
    "roberta": ("encoder.embeddings.", "encoder.encoder.layer.{}."),
    "distilbert": ("encoder.embeddings.", "encoder.transformer.layer.{}."),
    "modernbert": ("encoder.embeddings.", "encoder.layers.{}."),
    "gpt2": ("encoder.wte.", "encoder.wpe.", "encoder.h.{}."),
    "xlm": (
        *("encoder.embeddings.", "encoder.position_embeddings.", "encoder.layer_norm_emb."),
        *(f"encoder.{part}.{{}}." for part in ("attentions", "layer_norm1", "ffns", "layer_norm2")),
    ),
    "electra": ("encoder.embeddings.", "encoder.embeddings_project.", "encoder.encoder.layer.{}."),
    "mpnet": ("encoder.embeddings.", "encoder.encoder.relative_attention_bias.", "encoder.encoder.layer.{}."),
}


@pytest.mark.parametrize("layers", range(1, DEPTH + 1))
@pytest.mark.parametrize("family", WHOLE)
def test_the_frozen_tensors_are_those_of_the_embeddings_and_so_many_layers(family: str, layers: int) -> None:
    model = built(family)
    first = tuple(prefix.format(i) for prefix in WHOLE[family] for i in range(layers))
    assert freeze.frozen_names(model, layers) == {name for name in freeze.of_encoder(model) if name.startswith(first)}


@pytest.mark.parametrize("family", ["gpt2", "t5", "xlnet", "bert", "opt", "modernbert"])
def test_what_is_below_drops_nothing_out_in_training(family: str) -> None:
    model = built(family)
    words = torch.arange(4, VOCABULARY).view(4, -1)
    with torch.no_grad():
        before = first_layer(model)
        freeze.freeze(model, 1)
        outputs: Any = model.train().encoder(input_ids=words, output_hidden_states=True)
    assert torch.equal(outputs.hidden_states[1], before)


SAYS = r"^cannot find the encoder layers of \w+(, which .* short text \(.+\))?: set model.freeze to all or none$"


@pytest.mark.parametrize("family", REFUSED)
def test_layers_that_cannot_be_told_apart_are_one_line(family: str) -> None:
    model = built(family)
    with pytest.raises(InputError, match=SAYS):
        freeze.freeze(model, 1)
    assert all(parameter.requires_grad for parameter in model.parameters())
