"""Adapters in the last blocks of an encoder of images: what is trained, saved, resumed and judged."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from transformers import ConvNextConfig, ConvNextModel

from support import vision
from support.photographs import twins, without_pictures
from support.signals import asked_after
from tithe import config, interrupts, pipeline
from tithe.checkpoints import store
from tithe.errors import InputError, Interrupted, TitheError
from tithe.models.foundation import encoder
from tithe.models.partial import targets
from tithe.predict import load
from tithe.runs.verify import verify_run
from tithe.train import devices, doctor, forecast

pytest.importorskip("peft", reason="the extra tithe[lora] is not installed")

LORA = {"rank": 2, "alpha": 8, "blocks": 1}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return twins(tmp_path_factory.mktemp("photographs") / "set", 24)


def network(family: str, folder: Path) -> encoder.Encoder:
    parts = encoder.open_parts(vision.folder(folder, family), family)
    return encoder.build(parts[0], str(folder), parts[1], family)


@pytest.mark.parametrize("family", ["clip", "clip_vision", "siglip", "dinov2", "vit_mae"])
def test_the_last_blocks_have_them_and_no_others(family: str, tmp_path: Path) -> None:
    found = targets.find(network(family, tmp_path), config.ImageLora(blocks=1))
    assert len(found) == 6  # query, key, value and output of the attention, two layers after it
    assert all(".1." in name and "head" not in name for name in found)
    assert len(targets.find(network(family, tmp_path), config.ImageLora(blocks=2))) == 12


@pytest.mark.usefixtures("seeded")
def test_blocks_in_stages_are_counted_from_the_last_stage() -> None:
    small = ConvNextConfig(depths=[1, 3, 1], hidden_sizes=[8, 12, 16], num_stages=3)
    found = targets.find(ConvNextModel(small), config.ImageLora(blocks=2))
    assert {name.rpartition(".pwconv")[0] for name in found} == {
        "encoder.stages.1.layers.2",
        "encoder.stages.2.layers.0",
    }


def test_the_rest_of_the_encoder_stays_and_the_checkpoint_is_an_ordinary_one(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_pictures(monkeypatch)
    home = vision.train(root, vision.folder(tmp_path / "encoder"), tmp_path / "run", lora=LORA).home
    before = network("clip_vision", tmp_path / "encoder").state_dict()
    after = {
        name.removeprefix("encoder."): value
        for name, value in store.weights(home / "checkpoints" / "best").items()
        if name.startswith("encoder.")
    }
    assert after.keys() == before.keys()
    changed = {name for name, value in before.items() if not torch.equal(value, after[name])}
    assert changed == {
        f"{name}.weight" for name in targets.find(network("clip_vision", tmp_path), config.ImageLora(blocks=1))
    }
    monkeypatch.setitem(sys.modules, "peft", None)
    model = load(home)
    table = pq.read_table(home / "test" / "predictions.parquet")
    answers = model.predict([str(root / path) for path in table["path"].to_pylist()])
    assert model.abstention and model.abstention.distance
    found = [each.probabilities["real"] for each in answers]
    assert np.allclose(found, table["p_real"].to_numpy(), atol=1e-5)


def test_a_resumed_run_ends_like_an_uninterrupted_one(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_pictures(monkeypatch)
    source = vision.folder(tmp_path / "encoder")
    whole = vision.train(root, source, tmp_path / "whole", lora=LORA)
    run = vision.settings(root, source, tmp_path / "parts", lora=LORA)
    with monkeypatch.context() as patch, pytest.raises(Interrupted):
        patch.setattr(interrupts, "StopRequest", asked_after(2))
        pipeline.train(run)
    resumed = run.model_copy(update={"checkpoint": run.checkpoint.model_copy(update={"resume": "auto"})})
    parts = pipeline.train(resumed)
    final = [each.scores["training"]["final_weights_sha256"] for each in (whole, parts)]
    assert final[0] == final[1]
    other = resumed.model_copy(update={"images": resumed.images.model_copy(update={"lora": None})})
    with pytest.raises(InputError, match="lora") as caught:
        pipeline.train(other)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("family", "lora", "said"),
    [
        (
            "clip_vision",
            {"blocks": 3},
            r"images\.lora\.blocks 3 is more than the 2 blocks of Encoder: set it to 2 or less",
        ),
        (
            "clip_vision",
            {**LORA, "targets": ["fc9"]},
            r"images\.lora\.targets: no linear layer .* choose among fc1, fc2, ",
        ),
        (
            "convnext",
            {"blocks": 9},
            r"images\.lora\.blocks 9 is more than the 3 blocks of Encoder: set it to 3 or less",
        ),
    ],
)
def test_what_has_no_such_blocks_or_layers_is_one_line(
    family: str, lora: dict[str, Any], said: str, root: Path, tmp_path: Path
) -> None:
    run = vision.settings(root, vision.folder(tmp_path / "encoder", family), tmp_path / "run", lora=lora)
    with pytest.raises(InputError, match=rf"^{said}") as caught:
        pipeline.check(run)  # before any picture is read
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("lora", [LORA, None])
def test_the_frozen_weights_are_proven(
    lora: dict[str, Any] | None, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_pictures(monkeypatch)
    run = vision.settings(root, vision.folder(tmp_path / "encoder"), tmp_path / "run", lora=lora)
    single = run.model_copy(update={"checkpoint": run.checkpoint.model_copy(update={"single_files": True})})
    outcome = pipeline.train(single)
    assert outcome.scores["freeze"]["freeze"] == ("lora" if lora else "all") and outcome.scores["freeze"]["holds"]
    said = list(verify_run(outcome.home))
    assert any("its tensors match the proof's 'before'" in line and str(tmp_path / "encoder") in line for line in said)
    vision.folder(tmp_path / "encoder", seed=1)
    with pytest.raises(TitheError, match="differs from its 'before' in the freeze proof"):
        list(verify_run(outcome.home))


def test_layers_computed_again_give_the_same_weights(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_pictures(monkeypatch)
    source, sums = vision.folder(tmp_path / "encoder"), []
    for again in (False, True):
        run = vision.settings(root, source, tmp_path / f"run-{again}", lora=LORA)
        train = run.train.model_copy(update={"checkpoint_activations": again})
        sums.append(pipeline.train(run.model_copy(update={"train": train})).scores["training"]["final_weights_sha256"])
    assert sums[0] == sums[1]


@pytest.mark.parametrize(("weight", "keeps_result"), [(0.2, False), (0.0, True)])
def test_smaller_micro_batches_are_another_result_where_they_leave_no_pairs(
    weight: float, keeps_result: bool, root: Path, tmp_path: Path
) -> None:
    run = vision.settings(root, vision.folder(tmp_path / "encoder"), tmp_path / "run", lora=LORA, ranking_weight=weight)
    run = run.model_copy(update={"train": run.train.model_copy(update={"batch_size": 64})})
    with torch.random.fork_rng(devices=[]):
        prognosis = doctor.foretell(pipeline.check(run))
    cures = {cure.settings: cure.keeps_result for cure in prognosis.cures}
    assert cures["train.batch_size=1 train.accumulation_steps=64"] is keeps_result


@pytest.mark.parametrize("lora", [LORA, None])
def test_the_memory_of_a_run_is_foretold(lora: dict[str, Any] | None, root: Path, tmp_path: Path) -> None:
    run = vision.settings(root, vision.folder(tmp_path / "encoder"), tmp_path / "run", lora=lora)
    task = pipeline.check(run)
    splits = task.load()
    examples = task.encode(splits.rows)
    with torch.random.fork_rng(devices=[]):
        model = task.build(2, 0)
    subject = forecast.Subject(task, model, examples, splits.train, devices.accelerator("cpu", "no"))
    expected = forecast.of(subject)
    trained = sum(p.numel() * p.element_size() for p in model.parameters() if p.requires_grad)
    assert subject.is_on_features == (lora is None)
    assert expected.gradients == trained and expected.growth > 0
