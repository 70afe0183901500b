"""Low-rank adapters: what is judged in training is what is saved, and the encoder beside them stays as it is."""

from __future__ import annotations

import copy
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from support import encoder_families, searches
from support.runs import built, run, sha, with_out
from support.signals import asked_after
from support.texts import FILLER, TOPICS
from tithe import config, interrupts, pipeline, predict
from tithe.checkpoints import store, tensors
from tithe.errors import InputError, Interrupted
from tithe.models import inference
from tithe.models.classifier import Classifier
from tithe.models.partial import adapters, freeze, targets, word_table
from tithe.runs.finish import Outcome
from tithe.runs.verify import verify_run
from tithe.storage import freeze_proof
from tithe.train import devices, trainer
from tithe.train.trainer import FitOptions
from tithe.tune import trials

pytest.importorskip("peft", reason="the extra tithe[lora] is not installed")
pytestmark = pytest.mark.usefixtures("seeded")  # networks are built by the global generator

Settings = Callable[..., dict[str, Any]]

WORDS = [*FILLER, *TOPICS["sport"], *TOPICS["space"]]
LORA = {"rank": 4, "alpha": 32, "dropout": 0.1}


@pytest.mark.parametrize("family", ["bert", "modernbert", "gpt2", "deberta_v2"])
def test_what_is_judged_is_what_is_saved_and_loaded_without_peft(
    family: str, tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = encoder_families.saved(family, tmp_path / family, WORDS)
    raw = settings(model={"encoder": str(encoder), "lora": LORA}, train={"learning_rate": 0.02})
    network, examples = built(raw)
    judged: list[Any] = []

    def validate(model: nn.Module) -> dict[str, float]:
        judged.append(inference.logits(model, examples))
        return {}

    parsed = config.parse(raw)
    task = pipeline.check(parsed)
    options = FitOptions(parsed.train, 0, devices.accelerator("cpu", "no"))
    *_, last = trainer.fit(network.trainable, task.criterion(), examples, options, validate)
    store.save(tmp_path / "saved", last.snapshot(), lambda folder: None)
    monkeypatch.setitem(sys.modules, "peft", None)
    plain = pipeline.check(config.parse(settings(model={"encoder": str(encoder)}))).build(2, 0)
    before = plain.state_dict()
    weights = store.weights(tmp_path / "saved")
    changed = {name for name, value in weights.items() if not torch.equal(value, before[name])}
    assert weights.keys() == before.keys()
    plain.load_state_dict(weights)
    assert np.array_equal(inference.logits(plain, examples), judged[-1])
    assert {name.rpartition(".")[2] for name in changed if name.startswith("encoder.")} == {"weight"}
    assert (
        {f"encoder.{name}.weight" for name in targets.find(plain.get_submodule("encoder"), config.Lora())}
        >= {name for name in changed if name.startswith("encoder.")}
        != set()
    )


def test_a_training_pass_and_an_evaluating_one_agree(settings: Settings) -> None:
    model = trained_a_little(settings, {"lora": {"alpha": 64}, "encoder_dropout": 0.0, "dropout": 0.0})
    batch = {"input_ids": torch.randint(5, 20, (4, 9)), "attention_mask": torch.ones(4, 9, dtype=torch.int64)}
    with torch.no_grad():
        assert torch.allclose(model.train()(batch), model.eval()(batch), atol=1e-6)
        before = model(batch)
        adapters.merge(model)
        assert not adapters.are_in(model) and torch.equal(model(batch), before)


def trained_a_little(settings: Settings, model: dict[str, Any]) -> Classifier:
    """A classifier whose B are no longer zero."""
    network, _ = built(settings(model=model))
    with torch.no_grad():
        for name, value in adapters.moving(network.classifier).items():
            if "lora_B" in name:
                value.normal_(std=0.1)
    assert isinstance(network.classifier, Classifier)
    return network.classifier


def trained(raw: dict[str, Any], out: Path, lora: dict[str, Any] | None, **checkpoint: Any) -> Outcome:
    return run(with_out({**raw, "model": {**raw["model"], "lora": lora}}, out, **checkpoint))


TRAINED: list[dict[str, Any]] = [
    {"clip_norm": 0.1, "encoder_learning_rate": 0.01},
    {"ema_decay": 0.7},
    {"accumulation_steps": 2, "optimizer_state": "bf16"},
]


@pytest.mark.parametrize("train", TRAINED)
def test_a_killed_run_that_is_resumed_equals_one_that_was_not(
    train: dict[str, Any], tmp_path: Path, settings: Settings
) -> None:
    raw = settings(train=train)
    whole = trained(raw, tmp_path / "whole", LORA)
    with pytest.MonkeyPatch.context() as patch, pytest.raises(Interrupted):
        patch.setattr(interrupts, "StopRequest", asked_after(7))
        trained(raw, tmp_path / "run", LORA)
    with pytest.raises(InputError, match=r"has different model \(lora: "):
        trained(raw, tmp_path / "run", {**LORA, "alpha": 8}, resume="auto")
    resumed = trained(raw, tmp_path / "run", LORA, resume="auto")
    assert sha(resumed) == sha(whole)
    assert (resumed.home / "history.jsonl").read_bytes() == (whole.home / "history.jsonl").read_bytes()
    for file in ("model.pt", "adapters.pt", *(["ema.pt"] if "ema_decay" in train else [])):
        assert (resumed.best / file).read_bytes() == (whole.best / file).read_bytes()
    texts = [f"some words {i}" for i in range(4)]
    assert predict(resumed.home, texts) == predict(whole.home, texts)


@pytest.mark.parametrize("train", [{}, {"ema_decay": 0.7}])
def test_the_encoder_beside_the_adapters_is_proved_and_verified(
    train: dict[str, Any], tmp_path: Path, settings: Settings
) -> None:
    outcome = trained(settings(train=train), tmp_path / "run", LORA, single_files=True)
    proof = json.loads((outcome.home / freeze_proof.FILE).read_text())
    assert proof["freeze"] == "lora" and proof["holds"] and proof["meaning"] == freeze_proof.MEANING
    assert proof["tensors_frozen"] == proof["tensors_in_encoder"] and proof["tensors_that_moved"] == 0
    merged = {name: entry for name, entry in proof["tensors"].items() if "merged" in entry}
    assert len(merged) == 12 and all(entry["merged"] != entry["after"] for entry in merged.values())
    training = outcome.scores["training"]
    of_head = sum(p.numel() for p in built(settings())[0].classifier.get_submodule("head").parameters())
    state = store.load(outcome.best)
    assert state.adapters is not None
    assert training["parameters_trained"] == of_head + sum(v.numel() for v in state.adapters["now"].values())
    assert "no frozen tensor changed" in verify_run(outcome.home)[-1]


def test_an_encoder_that_moves_beside_adapters_breaks_the_proof(settings: Settings) -> None:
    model = trained_a_little(settings, {"lora": LORA})
    begun = freeze.Proof.begin(model, freeze_proof.LORA)
    name = next(name for name in begun.before if name.endswith("query.weight"))
    plain, _ = built(settings())
    assert begun.before == freeze.Proof.begin(plain.classifier, "all").before
    with torch.no_grad():
        model.get_parameter(name.replace(".weight", ".base_layer.weight")).add_(1e-3)
    assert begun.compare(model, adapters.merge(model).before)["changed"] == [name]


def test_running_averages_of_the_encoder_stay(settings: Settings) -> None:
    model = trained_a_little(settings, {})
    norm = nn.BatchNorm1d(3)
    model.encoder.norm = norm
    freeze.freeze(model, freeze_proof.LORA)
    model.train()
    norm(torch.randn(8, 3))
    assert model.encoder.training and torch.equal(norm.running_mean, torch.zeros(3))  # type: ignore[arg-type]


def test_changed_weights_are_not_the_sums_of_the_adapters(settings: Settings) -> None:
    model = trained_a_little(settings, {"lora": LORA})
    state = store.TrainState(
        model=model.state_dict(), optimizer={}, scheduler={}, rng={}, progress={}, adapters=adapters.state(model, {})
    )
    adapters.load(model, state)
    name = next(name for name in state.model if name.endswith("query.weight"))
    state.model[name] = state.model[name] + 1e-4
    with pytest.raises(InputError, match=r"keep the encoder and model\.lora"):
        adapters.load(model, state)


def test_an_epoch_file_continues_with_the_same_adapters_alone(tmp_path: Path, settings: Settings) -> None:
    raw, files = settings(train={"schedule": "constant"}), {"epoch_files": 1}
    first = trained(raw, tmp_path / "first", LORA, **files)
    latest = str(first.home / "latest_model.pt")
    second = trained(raw, tmp_path / "second", LORA, **files, resume=latest)
    assert second.scores["training"]["epochs"] == 4 and second.scores["freeze"]["holds"]
    with pytest.raises(InputError, match=r"keep the encoder and model\.lora"):
        trained(raw, tmp_path / "third", {**LORA, "alpha": 8}, **files, resume=latest)
    with pytest.raises(InputError, match=r"keep model\.freeze, model\.lora"):
        trained(raw, tmp_path / "fourth", None, **files, resume=latest)


def test_one_seed_gives_one_beginning_and_leaves_the_global_generator(settings: Settings) -> None:
    first, second, other = (
        adapters.moving(built(settings(model={"lora": LORA}, seed=seed))[0].classifier) for seed in (1, 1, 2)
    )
    assert all(torch.equal(second[name], value) for name, value in first.items())
    assert not all(torch.equal(other[name], value) for name, value in first.items())
    plain, _ = built(settings(seed=1))
    head = {name: value for name, value in plain.classifier.state_dict().items() if name.startswith("head.")}
    assert all(torch.equal(first[name], value) for name, value in head.items())


def test_adapters_lie_beside_the_named_layers(settings: Settings) -> None:
    model = trained_a_little(settings, {"lora": {**LORA, "targets": ["query", "output.dense"]}})
    beside = {name.partition(".lora_A")[0] for name in adapters.moving(model) if ".lora_A" in name}
    assert {name.split(".layer.0.")[1] for name in beside if ".layer.0." in name} == {
        *("attention.self.query", "attention.output.dense", "output.dense")
    }
    twin = copy.deepcopy(model)
    with torch.no_grad():
        for value in adapters.moving(twin).values():
            value.zero_()
    own = model.state_dict()
    assert not any(torch.equal(own[f"{name}.weight"], twin.state_dict()[f"{name}.weight"]) for name in beside)


@pytest.mark.parametrize(
    ("model", "says"),
    [
        ({"lora": {"targets": ["query", "qkv"]}}, "is called 'qkv': choose among dense, key, query, value, or set it"),
        ({"lora": {}, "freeze": "all"}, "model.lora freezes the encoder itself"),
        ({"lora": {}, "trim_vocabulary": True}, "model.lora keeps all words as they are"),
        ({"lora": {"rank": 0}}, "model.lora.rank"),
    ],
)
def test_what_cannot_be_is_refused(model: dict[str, Any], says: str, settings: Settings) -> None:
    with pytest.raises(InputError, match=says):
        built(settings(model=model))


def test_a_table_of_words_is_not_trimmed(settings: Settings) -> None:
    assert not word_table.tables(built(settings(model={"lora": {}}))[0].classifier)


def test_an_encoder_without_linear_layers_has_no_adapters(tmp_path: Path, settings: Settings) -> None:
    encoder = encoder_families.saved("squeezebert", tmp_path / "encoder", WORDS)
    with pytest.raises(InputError, match="has no linear layers"):
        built(settings(model={"encoder": str(encoder), "lora": {}}))


def test_without_peft_the_extra_is_named(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(InputError, match=r"^peft is not installed: pip install 'tithe\[lora\]'$"):
        pipeline.check(config.parse(settings(model={"lora": {}})))


def test_a_search_trains_adapters_of_copies(tmp_path: Path, settings: Settings) -> None:
    pytest.importorskip("optuna", reason="the extra tithe[tune] is not installed")
    raw = settings(model={"lora": LORA}, train={"batch_size": 2, "accumulation_steps": 4})
    searching = {"trials": 2, "epochs": 1, "sample": 0.5, "dropout_of": "model"}
    shared = searches.ground(config.parse({**raw, "tune": searching}))
    before = tensors.sha256_of_all(adapters.moving(shared.trainable))
    values: trials.Values = {"model": {"dropout": 0.2}, "train": {"learning_rate": 0.01}}
    losses = [[step.batch_loss for step in trials.train_trial(shared, values)] for _ in range(2)]
    assert losses[0] == losses[1] and losses[0][-1] < losses[0][0]
    assert tensors.sha256_of_all(adapters.moving(shared.trainable)) == before
    outcome = trained({**raw, "tune": searching}, tmp_path / "run", LORA)
    resolved = json.loads((outcome.home / "config.json").read_text())
    assert outcome.scores["freeze"]["holds"] and resolved["train"]["batch_size"] == 8
