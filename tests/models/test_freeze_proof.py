"""A proof of what was frozen that notices one changed bit."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from support.freezing import Sentences, built, frozen_prefixes, train
from support.text_tasks import opened
from support.texts import make_texts, write_rows
from tithe import config, pipeline
from tithe.checkpoints import tensors
from tithe.data import ingest
from tithe.models.classifier import Classifier
from tithe.models.partial import freeze

Settings = Callable[..., dict[str, Any]]

PROOF = "freeze_proof.json"


def texts_of(folder: Path, tmp_path: Path) -> Any:
    rows = ingest(config.Data(path=str(write_rows(tmp_path / "some.parquet", *make_texts(20)))))[0]
    return opened(folder).encode(rows)


# ---- the proof


def test_nothing_changed_holds(named: tuple[str, Path]) -> None:
    model = built(named[1], freeze="all")
    begun = freeze.Proof.begin(model, "all")
    proof = json.loads(json.dumps(begun.compare(model)))
    assert (proof["holds"], proof["changed"], proof["tensors_that_moved"]) == (True, [], 0)
    assert proof["verdict"] == "frozen: no frozen tensor changed" and proof["freeze"] == "all"
    assert proof["overall"]["before"] == proof["overall"]["after"] == begun.sha256
    assert proof["tensors_frozen"] == proof["tensors_in_encoder"] == len(proof["tensors"]) > 15
    assert set(model.encoder.state_dict()) <= {name.removeprefix("encoder.") for name in proof["tensors"]}
    assert all(entry["frozen"] and entry["before"] == entry["after"] for entry in proof["tensors"].values())


def one_weight(tensor: torch.Tensor) -> None:
    tensor.view(-1)[0] += 1


def the_last_bit(tensor: torch.Tensor) -> None:
    tensor.view(-1).view(torch.int32)[-1] ^= 1


def the_sign_of_zero(tensor: torch.Tensor) -> None:
    tensor.view(-1)[0] = -0.0


@pytest.mark.parametrize("change", [one_weight, the_last_bit, the_sign_of_zero])
def test_one_weight_changed_in_place_is_named(tiny_bert: Path, change: Callable[[torch.Tensor], None]) -> None:
    model = built(tiny_bert, freeze="all")
    name = "encoder.encoder.layer.1.output.dense.weight"
    with torch.no_grad():
        model.get_parameter(name).view(-1)[0] = 0.0
        begun = freeze.Proof.begin(model, "all")
        change(model.get_parameter(name))
    proof = begun.compare(model)
    assert (proof["holds"], proof["changed"], proof["tensors_that_moved"]) == (False, [name], 1)
    assert proof["verdict"] == "broken: frozen tensors changed"
    assert proof["overall"]["before"] != proof["overall"]["after"]
    assert [n for n, e in proof["tensors"].items() if e["before"] != e["after"]] == [name]


def test_buffers_that_are_never_saved_are_in_the_proof(named: tuple[str, Path]) -> None:
    model = built(named[1], freeze="all")
    begun = freeze.Proof.begin(model, "all")
    unsaved = {n: b for n, b in model.named_buffers() if n not in model.state_dict()}
    assert unsaved and {begun.about[name]["kind"] for name in unsaved} == {"buffer, not saved"}
    name, buffer = next(iter(unsaved.items()))
    assert begun.about[name]["shape"] == list(buffer.shape)
    buffer.view(-1)[0] += 1
    assert begun.compare(model)["changed"] == [name]


def test_a_tensor_replaced_by_another_shape_or_type_is_another_tensor() -> None:
    values = torch.arange(6, dtype=torch.float32)
    others = [values.view(2, 3), values.view(3, 2), values.view(torch.int32), values.double(), values.bfloat16()]
    hashes = {tensors.sha256(t) for t in (values, *others)}
    assert len(hashes) == 6 and tensors.sha256(values.view(2, 3).t().contiguous().t()) == tensors.sha256(others[0])


def test_an_encoder_that_trains_is_said_to(tiny_bert: Path, tmp_path: Path) -> None:
    model = built(tiny_bert, freeze="none")
    begun = freeze.Proof.begin(model, "none")
    before = {name: tensor.clone() for name, tensor in freeze.of_encoder(model).items()}
    train(model, texts_of(tiny_bert, tmp_path))
    proof = begun.compare(model)
    moved = [name for name, tensor in freeze.of_encoder(model).items() if not torch.equal(tensor, before[name])]
    assert (proof["holds"], proof["changed"], proof["tensors_frozen"]) == (None, [], 0)
    assert proof["verdict"] == "not frozen: the encoder was trained"
    assert proof["tensors_that_moved"] == len(moved) > 20
    assert proof["overall"]["before"] != proof["overall"]["after"]


def test_a_part_that_is_frozen_stays_while_the_rest_moves(named: tuple[str, Path], tmp_path: Path) -> None:
    name, folder = named
    model = built(folder, freeze=1)
    begun = freeze.Proof.begin(model, 1)
    train(model, texts_of(folder, tmp_path))
    proof = begun.compare(model)
    assert (proof["freeze"], proof["holds"], proof["changed"]) == (1, True, [])
    first = frozen_prefixes(name, 1)
    moved = {n for n, entry in proof["tensors"].items() if entry["before"] != entry["after"]}
    assert len(moved) == proof["tensors_that_moved"] > 5 and not any(n.startswith(first) for n in moved)
    assert proof["tensors_frozen"] == sum(n.startswith(first) for n in proof["tensors"]) < proof["tensors_in_encoder"]
    assert proof["overall"]["before"] == proof["overall"]["after"], "of the frozen ones alone"
    with torch.no_grad():
        next(p for n, p in model.named_parameters() if n.startswith(first))[0] += 1
    assert begun.compare(model)["holds"] is False


@pytest.mark.parametrize("forgotten", ["encoder.embeddings", "encoder.encoder.layer.0.output.dense"])
def test_what_was_not_frozen_and_moved_breaks_the_proof(tiny_bert: Path, tmp_path: Path, forgotten: str) -> None:
    model = built(tiny_bert, freeze=1)
    model.get_submodule(forgotten).requires_grad_(True)
    begun = freeze.Proof.begin(model, 1)
    train(model, texts_of(tiny_bert, tmp_path))
    proof = begun.compare(model)
    assert (proof["holds"], proof["verdict"]) == (False, "broken: frozen tensors changed")
    assert proof["changed"] and all(name.startswith(f"{forgotten}.") for name in proof["changed"])


# ---- an encoder with moving averages


class Normed(nn.Module):
    """An encoder with a batch norm, whose moving averages are buffers: a forward pass in training moves them."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.norm, self.drop = nn.Embedding(64, 8), nn.BatchNorm1d(8), nn.Dropout(0.5)
        self.register_buffer("scale", torch.ones(()), persistent=False)

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor | None) -> SimpleNamespace:
        states_BTD = self.norm(self.words(input_ids).transpose(1, 2)).transpose(1, 2)
        return SimpleNamespace(last_hidden_state=self.drop(states_BTD) * self.scale)


AVERAGES = [f"encoder.norm.{name}" for name in ("num_batches_tracked", "running_mean", "running_var")]


@pytest.fixture
def normed() -> Classifier:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Classifier(Normed(), "mean", nn.Linear(8, 2))


def test_the_moving_averages_of_a_frozen_encoder_stand_still(normed: Classifier) -> None:
    freeze.freeze(normed, "all")
    begun = freeze.Proof.begin(normed, "all")
    head = normed.head.weight.clone()
    train(normed, Sentences(), epochs=2)
    proof = begun.compare(normed)
    assert (proof["holds"], proof["tensors_that_moved"]) == (True, 0)
    assert {*AVERAGES, "encoder.scale"} <= set(proof["tensors"])
    assert normed.encoder.norm.num_batches_tracked == 0 and not torch.equal(normed.head.weight, head)


def test_without_gradients_alone_they_move_and_the_proof_names_them(normed: Classifier) -> None:
    normed.encoder.requires_grad_(False)  # the naive way
    begun = freeze.Proof.begin(normed, "all")
    train(normed, Sentences())
    proof = begun.compare(normed)
    assert (proof["holds"], proof["changed"]) == (False, AVERAGES)
    assert normed.encoder.norm.num_batches_tracked == 5


def test_an_encoder_with_moving_averages_that_trains_moves_all_of_them(normed: Classifier) -> None:
    begun = freeze.Proof.begin(normed, "none")
    train(normed, Sentences())
    proof = begun.compare(normed)
    assert proof["holds"] is None and proof["tensors_that_moved"] == len(proof["tensors"]) - 1, "all but the scale"


# ---- in a run


@pytest.mark.parametrize(("frozen", "cached"), [("all", True), ("all", False), (1, True)])
def test_a_run_leaves_its_proof(settings: Settings, frozen: object, cached: bool, tiny_bert: Path) -> None:
    raw = settings(model={"freeze": frozen}, train={"epochs": 1, "cache_features": cached})
    outcome = pipeline.train(config.parse(raw))
    proof = json.loads((outcome.home / PROOF).read_text())
    short = {"freeze": frozen, "verdict": "frozen: no frozen tensor changed", "holds": True}
    assert {key: proof[key] for key in short} == short == outcome.scores["freeze"]
    origin = built(tiny_bert, freeze=frozen)
    assert {n: e["before"] for n, e in proof["tensors"].items()} == freeze.Proof.begin(origin, "all").before
    manifest = json.loads((outcome.home / "manifest.json").read_text())
    assert PROOF in manifest
    training = outcome.scores["training"]
    assert training["parameters"] == sum(p.numel() for p in origin.parameters())
    assert training["parameters_trained"] == sum(p.numel() for p in origin.parameters() if p.requires_grad)
