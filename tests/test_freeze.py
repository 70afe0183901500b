"""Frozen is frozen: no gradient, no dropout, no moving average, and a proof that notices one changed bit."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from conftest import make_texts, write_rows
from test_text_task import copied
from tithe import config, devices, freeze, optimizers, pipeline, tensors, trainer
from tithe.batches import Batch
from tithe.classifier import Classifier
from tithe.data import ingest
from tithe.errors import InputError
from tithe.tasks import text

Settings = Callable[..., dict[str, Any]]

PROOF = "freeze_proof.json"
# What `freeze: N` means in each of the two, by the names of their parameters.
FIRST = {
    "tiny_bert": ("encoder.embeddings.", "encoder.encoder.layer.{}."),
    "tiny_modernbert": ("encoder.embeddings.", "encoder.layers.{}."),
}


def frozen_prefixes(name: str, layers: int) -> tuple[str, ...]:
    embeddings, layer = FIRST[name]
    return (embeddings, *(layer.format(i) for i in range(layers)))


@pytest.fixture(params=list(FIRST))
def named(request: pytest.FixtureRequest) -> tuple[str, Path]:
    """Each of the two encoders in turn, with its name."""
    return request.param, request.getfixturevalue(request.param)


def opened(folder: Path, **model: object) -> text.Text:
    return text.open_task(
        config.parse({"data": {"path": "unread"}, "model": {"encoder": str(folder), "max_length": 32, **model}})
    )


def built(folder: Path, **model: object) -> Classifier:
    return opened(folder, **model).build(2, seed=0)


def trainable(model: nn.Module) -> set[str]:
    return {name for name, p in model.named_parameters() if p.requires_grad}


def texts_of(folder: Path, tmp_path: Path) -> Any:
    rows = ingest(config.Data(path=str(write_rows(tmp_path / "some.parquet", *make_texts(20)))))[0]
    return opened(folder).encode(rows)


def train(model: nn.Module, examples: Any, **values: object) -> None:
    settings = config.Train(
        **{"epochs": 1, "batch_size": 8, "learning_rate": 1e-2, "precision": "no", "device": "cpu", **values}
    )
    criterion = text.Text.criterion(None)  # type: ignore[arg-type]  # it needs nothing of the task
    for _ in trainer.fit(model, criterion, examples, settings, 0, devices.accelerator("cpu")):
        pass


# ---- what is frozen


def test_all_freezes_the_encoder_and_not_the_head(named: tuple[str, Path]) -> None:
    model = built(named[1], freeze="all", head="mlp")
    assert trainable(model) == {name for name, _ in model.named_parameters() if name.startswith("head.")} != set()
    assert freeze.frozen_names(model) == set(freeze.of_encoder(model)) != set()


def test_none_freezes_nothing(named: tuple[str, Path]) -> None:
    model = built(named[1], freeze="none")
    assert trainable(model) == {name for name, _ in model.named_parameters()}
    assert freeze.frozen_names(model) == set()


@pytest.mark.parametrize("layers", [1, 2])
def test_a_number_freezes_the_embeddings_and_so_many_layers(named: tuple[str, Path], layers: int) -> None:
    name, folder = named
    model = built(folder, freeze=layers)
    first = frozen_prefixes(name, layers)
    assert trainable(model) == {n for n, _ in model.named_parameters() if not n.startswith(first)}
    assert freeze.frozen_names(model) == {n for n in freeze.of_encoder(model) if n.startswith(first)}
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
        (albert, "the layers of this albert can't be told: set model.freeze to all or none"),
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


# ---- the proof


def test_nothing_changed_holds(named: tuple[str, Path]) -> None:
    model = built(named[1], freeze="all")
    begun = freeze.Proof.begin(model, "all")
    proof = json.loads(json.dumps(begun.conclude(model)))
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
    proof = begun.conclude(model)
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
    assert begun.conclude(model)["changed"] == [name]


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
    proof = begun.conclude(model)
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
    proof = begun.conclude(model)
    assert (proof["freeze"], proof["holds"], proof["changed"]) == (1, True, [])
    first = frozen_prefixes(name, 1)
    moved = {n for n, entry in proof["tensors"].items() if entry["before"] != entry["after"]}
    assert len(moved) == proof["tensors_that_moved"] > 5 and not any(n.startswith(first) for n in moved)
    assert proof["tensors_frozen"] == sum(n.startswith(first) for n in proof["tensors"]) < proof["tensors_in_encoder"]
    assert proof["overall"]["before"] == proof["overall"]["after"], "of the frozen ones alone"
    with torch.no_grad():
        next(p for n, p in model.named_parameters() if n.startswith(first))[0] += 1
    assert begun.conclude(model)["holds"] is False


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


class Sentences:
    """Rows of eight random words, two classes."""

    lengths = None

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        self.words, self.labels, self.ids = rng.integers(0, 64, (40, 8)), rng.integers(0, 2, 40), np.arange(40)

    def __len__(self) -> int:
        return 40

    def collate(self, rows: np.ndarray) -> Batch:
        return {"input_ids": torch.from_numpy(self.words[rows]), "labels": torch.from_numpy(self.labels[rows])}


@pytest.fixture
def normed() -> Classifier:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Classifier(Normed(), "mean", nn.Linear(8, 2))


def test_the_moving_averages_of_a_frozen_encoder_stand_still(normed: Classifier) -> None:
    freeze.freeze([normed.encoder])
    begun = freeze.Proof.begin(normed, "all")
    head = normed.head.weight.clone()
    train(normed, Sentences(), epochs=2)
    proof = begun.conclude(normed)
    assert (proof["holds"], proof["tensors_that_moved"]) == (True, 0)
    assert {*AVERAGES, "encoder.scale"} <= set(proof["tensors"])
    assert normed.encoder.norm.num_batches_tracked == 0 and not torch.equal(normed.head.weight, head)


def test_without_gradients_alone_they_move_and_the_proof_names_them(normed: Classifier) -> None:
    normed.encoder.requires_grad_(False)  # the naive way
    begun = freeze.Proof.begin(normed, "all")
    begun = dataclasses.replace(begun, frozen=frozenset(begun.before))
    train(normed, Sentences())
    proof = begun.conclude(normed)
    assert (proof["holds"], proof["changed"]) == (False, AVERAGES)
    assert normed.encoder.norm.num_batches_tracked == 5


def test_an_encoder_with_moving_averages_that_trains_moves_all_of_them(normed: Classifier) -> None:
    begun = freeze.Proof.begin(normed, "none")
    train(normed, Sentences())
    proof = begun.conclude(normed)
    assert proof["holds"] is None and proof["tensors_that_moved"] == len(proof["tensors"]) - 1, "all but the scale"


# ---- learning rates of its own


def grouped(model: nn.Module, **values: object) -> list[dict[str, Any]]:
    return optimizers.parameter_groups(model, config.Train(weight_decay=0.1, learning_rate=1e-3, **values))


@pytest.mark.parametrize("frozen", ["none", 1, 2, "all"])
@pytest.mark.parametrize("rate", [None, 1e-5])
def test_every_trainable_parameter_is_in_one_group(named: tuple[str, Path], frozen: object, rate: float | None) -> None:
    model = built(named[1], freeze=frozen, head="mlp")
    groups = grouped(model, encoder_learning_rate=rate)
    names = {id(p): name for name, p in model.named_parameters()}
    found = [names[id(p)] for group in groups for p in group["params"]]
    assert sorted(found) == sorted(trainable(model)) and all(group["params"] for group in groups)
    for group in groups:
        assert {p.ndim >= 2 for p in group["params"]} == {group["weight_decay"] > 0}
        of_encoder = {names[id(p)].startswith("encoder.") for p in group["params"]}
        assert of_encoder == {group["lr"] == rate} if rate else group["lr"] == 1e-3


@pytest.mark.parametrize(("rate", "within"), [(1e-7, (0.0, 1e-5)), (None, (1e-3, 1.0))])
def test_the_encoder_moves_at_its_own_rate(
    settings: Settings, rate: float | None, within: tuple[float, float], tiny_bert: Path
) -> None:
    raw = settings(train={"epochs": 1, "encoder_learning_rate": rate, "schedule": "constant"})
    outcome = pipeline.train(config.parse(raw))
    start, end = built(tiny_bert).state_dict(), torch.load(outcome.best / "model.pt", weights_only=True)
    moved = {part: max(float((end[n] - start[n]).abs().max()) for n in start if n.startswith(part)) for part in
             ("encoder.", "head.")}  # fmt: skip
    assert within[0] < moved["encoder."] < within[1] and moved["head."] > 1e-3
    lines = [json.loads(line) for line in (outcome.home / "history.jsonl").read_text().splitlines()]
    rates = {value for line in lines for key, value in line.items() if key.startswith("lr_")}
    assert rates == {1e-3, rate or 1e-3}, "constant from the first step to the last"
    assert "freeze" not in outcome.scores and not (outcome.home / PROOF).exists()


@pytest.mark.parametrize(("warmup", "first"), [(0, [1.0] * 4), (3, [0.25, 0.5, 0.75, 1.0])])
def test_a_constant_schedule_warms_up_and_stays(warmup: int, first: list[float]) -> None:
    factor = optimizers.schedule(config.Train(schedule="constant", warmup_steps=warmup, schedule_steps=10), 20)
    assert [factor(step) for step in range(4)] == first
    assert {factor(step) for step in (*range(4, 25), 10**6)} == {1.0}


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
