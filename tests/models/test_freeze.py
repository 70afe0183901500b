"""Frozen is frozen: no gradient, no dropout, no moving average, whatever calls `train`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from support.encoders import copied
from support.freezing import built, frozen_prefixes, trainable
from support.text_tasks import opened
from tithe import config
from tithe.errors import InputError
from tithe.models.partial import freeze

pytestmark = pytest.mark.usefixtures("seeded")  # networks are built, and drop out, by the global generator

Settings = Callable[..., dict[str, Any]]


# ---- what is frozen


def test_all_freezes_the_encoder_and_not_the_head(named: tuple[str, Path]) -> None:
    model = built(named[1], freeze="all", head="mlp")
    assert trainable(model) == {name for name, _ in model.named_parameters() if name.startswith("head.")} != set()
    assert freeze.frozen_names(model, "all") == set(freeze.of_encoder(model)) != set()


def test_none_freezes_nothing(named: tuple[str, Path]) -> None:
    model = built(named[1], freeze="none")
    assert trainable(model) == {name for name, _ in model.named_parameters()}
    assert freeze.frozen_names(model, "none") == set()


@pytest.mark.parametrize("layers", [1, 2])
def test_a_number_freezes_the_embeddings_and_so_many_layers(named: tuple[str, Path], layers: int) -> None:
    name, folder = named
    model = built(folder, freeze=layers)
    first = frozen_prefixes(name, layers)
    assert trainable(model) == {n for n, _ in model.named_parameters() if not n.startswith(first)}
    assert freeze.frozen_names(model, layers) == {n for n in freeze.of_encoder(model) if n.startswith(first)}
    assert {n.startswith("encoder.") for n in trainable(model)} == ({True, False} if layers == 1 else {False}) or (
        name == "tiny_modernbert"  # its final norm belongs to no layer
    )


@pytest.mark.parametrize("frozen", ["none", 1, 2, "all"])
def test_gradients_reach_what_is_not_frozen_and_nothing_else(named: tuple[str, Path], frozen: str | int) -> None:
    name, folder = named
    task = opened(folder, freeze=frozen)
    model = task.build(2, seed=0).train()
    with torch.no_grad():
        model.head[-1].weight.normal_()  # the head begins with next to no gradient for what is below it
    batch = {**task.examples(["goal team", "moon star orbit"]).collate(np.arange(2)), "labels": torch.tensor([0, 1])}
    task.criterion()(model(batch), batch).backward()
    reached = {n for n, p in model.named_parameters() if p.grad is not None}
    prefixes = {"none": (), "all": ("encoder.",)}.get(str(frozen)) if isinstance(frozen, str) else None
    expected = prefixes if prefixes is not None else frozen_prefixes(name, int(frozen))
    assert reached == {n for n, _ in model.named_parameters() if not n.startswith(expected)}
    assert any(bool(p.grad.any()) for p in model.parameters() if p.grad is not None)


def albert(tiny_bert: Path, tmp_path: Path) -> Path:
    """An encoder whose layers are one layer, used again and again."""
    from transformers import AlbertConfig, AlbertModel

    home = copied(tiny_bert, tmp_path / "albert")
    (home / "model.safetensors").unlink()
    sizes = {"embedding_size": 16, "hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 2}
    AlbertModel(AlbertConfig(vocab_size=64, intermediate_size=32, **sizes)).save_pretrained(home)
    return home


def bert(tiny_bert: Path, tmp_path: Path) -> Path:
    return tiny_bert


@pytest.mark.parametrize(
    ("encoder", "says"),
    [
        (bert, "model.freeze 3 is more than the 2 layers of the encoder: set it to all"),
        (albert, "cannot find the encoder layers of albert: set model.freeze to all or none"),
    ],
)
def test_layers_that_are_not_there_are_one_line(
    tiny_bert: Path, tmp_path: Path, encoder: Callable[[Path, Path], Path], says: str
) -> None:
    home = encoder(tiny_bert, tmp_path)
    with pytest.raises(InputError) as error:
        built(home, freeze=3)
    assert str(error.value) == says
    assert trainable(built(home, freeze="all")) == {"head.1.weight", "head.1.bias"}


@pytest.mark.parametrize("wrong", [0, -1, 1.5, True, "some", "2"])
def test_what_is_no_amount_of_freezing_is_one_line(settings: Settings, wrong: object) -> None:
    with pytest.raises(InputError, match=r"model\.freeze") as error:
        config.parse(settings(model={"freeze": wrong}))
    assert len(str(error.value).splitlines()) == 1


# ---- and stays so


@pytest.mark.parametrize("frozen", ["all", 1])
def test_no_call_of_train_undoes_it(named: tuple[str, Path], frozen: str | int) -> None:
    name, folder = named
    model = built(folder, freeze=frozen)
    first = ("encoder",) if frozen == "all" else tuple(p.removesuffix(".") for p in frozen_prefixes(name, 1))
    for call in (model.train, model.encoder.train, model.eval, model.train, *(m.train for m in model.modules())):
        assert isinstance(call(), nn.Module)
    modes = {n: m.training for n, m in model.named_modules() if n}
    first += ("encoder.rotary_emb",) if name == "tiny_modernbert" else ()  # without weights; all layers call it
    still = {n for n in modes if any(n == f or n.startswith(f"{f}.") for f in first)}
    assert len(still) > 5 and {n for n, training in modes.items() if not training} == still


@pytest.mark.parametrize(("frozen", "same"), [("all", True), (2, True), (1, False), ("none", False)])
def test_a_frozen_encoder_in_training_drops_nothing_out(tiny_bert: Path, frozen: str | int, same: bool) -> None:
    task = opened(tiny_bert, freeze=frozen)
    model = task.build(2, seed=0)
    batch = task.examples(["goal team win", "moon", "a star of the season"]).collate(np.arange(3))
    with torch.no_grad():
        expected = model.eval().embed(batch)
        model.train()
        found = [model.embed(batch) for _ in range(2)]
    assert torch.equal(found[0], found[1]) is same
    assert torch.equal(found[0], expected) is same
    assert not torch.equal(model(batch), model(batch)), "the head does drop out"
