"""Every documented key of `training` in `finetune_pipeline`, shown by its effect."""

from __future__ import annotations

import logging
from typing import Any

import pytest
import torch

from support import finetune_pipeline as documented_files
from support.finetune_pipeline import TRAIN, Read, history
from support.keys import shows
from tithe import pipeline, storage
from tithe.runs.finish import Outcome
from tithe.storage import freeze_proof

prepared = documented_files.prepared
documented = documented_files.documented
read = documented_files.read
finished = documented_files.finished


@shows("training.epochs", "training.batch_size", "training.gradient_accumulation_steps", "training.log_every_steps")
def test_steps_follow_from_epochs_batch_and_accumulation(read: Read) -> None:
    outcome = pipeline.train(read(training__epochs=3, training__log_every_steps=1))
    steps = history(outcome.home)
    assert len(steps) == 3 * TRAIN // 8 and steps[-1]["epoch"] == 3
    defaults = pipeline.train(read(training__epochs=3))  # without the key a line every five steps
    assert [r["step"] for r in history(defaults.home) if r["step"] % 6] == [5, 10, 15]


def test_one_row_eight_times_is_eight_rows(read: Read) -> None:
    scores = [
        pipeline.train(
            read(model__dropout=0.0, training__batch_size=size, training__gradient_accumulation_steps=8 // size)
        ).scores["validation"]["loss"]
        for size in (1, 8)
    ]
    assert scores[0] == pytest.approx(scores[1], rel=1e-5)


@shows("training.learning_rate", "training.encoder_learning_rate")
def test_rates_are_constant_and_the_encoder_has_its_own_when_it_is_trained(read: Read) -> None:
    frozen = history(pipeline.train(read()).home)
    assert {value for r in frozen for key, value in r.items() if key.startswith("lr_")} == {1e-2}
    outcome = pipeline.train(read(training__freeze_backbone=False))
    assert {value for r in history(outcome.home) for key, value in r.items() if key.startswith("lr_")} == {1e-2, 1e-4}
    line = next(text for text in (outcome.home / "train.log").read_text().splitlines() if "batch_loss" in text)
    assert "lr 0.01,0.0001 opt_steps" in line


@shows("training.freeze_backbone")
def test_freezing_is_proved_and_full_finetuning_says_so(read: Read) -> None:
    frozen = storage.read_json(pipeline.train(read()).home / freeze_proof.FILE)
    assert frozen["holds"] is True and frozen["tensors_frozen"] == frozen["tensors_in_encoder"] > 10
    assert frozen["overall"]["before"] == frozen["overall"]["after"] and frozen["tensors_that_moved"] == 0
    trained_ = storage.read_json(pipeline.train(read(training__freeze_backbone=False)).home / freeze_proof.FILE)
    assert trained_["holds"] is None and trained_["verdict"].startswith("not frozen")
    assert trained_["tensors_that_moved"] > 5 and trained_["overall"]["before"] != trained_["overall"]["after"]


@shows("training.freeze_layers")
def test_the_first_layers_alone_can_stay(read: Read) -> None:
    found = storage.read_json(
        pipeline.train(read(training__freeze_backbone=False, training__freeze_layers=1)).home / freeze_proof.FILE
    )
    frozen = {name for name, entry in found["tensors"].items() if entry["frozen"]}
    assert found["holds"] is True and 0 < len(frozen) < found["tensors_in_encoder"]
    assert all(name.startswith(("encoder.embeddings.", "encoder.layers.0.")) for name in frozen)
    moved = {name for name, entry in found["tensors"].items() if entry["before"] != entry["after"]}
    assert any(name.startswith("encoder.layers.1.") for name in moved)


@shows("training.weight_decay", "training.max_grad_norm")
def test_decay_and_clipping_reach_the_optimizer(read: Read) -> None:
    run = read(training__weight_decay=0.5, training__max_grad_norm=0)
    assert (run.train.weight_decay, run.train.clip_norm) == (0.5, 0)
    norms = [r for r in history(pipeline.train(run).home) if "grad_norm" in r]
    assert norms == [] and "grad_norm" in history(pipeline.train(read()).home)[0]
    heads = [
        torch.load(pipeline.train(read(training__weight_decay=d, training__epochs=5)).home / "classifier_head.pt")
        for d in (0.0, 5.0)
    ]
    assert heads[0]["1.weight"].norm() > heads[1]["1.weight"].norm()


@shows("training.num_workers")
def test_workers_change_nothing(read: Read) -> None:
    hashes = {pipeline.train(read(training__num_workers=n)).scores["training"]["final_weights_sha256"] for n in (0, 2)}
    assert len(hashes) == 1


@shows("training.mixed_precision")
@pytest.mark.parametrize("written", ["no", False, None, "fp16", "bf16"])
def test_precision_is_a_value(written: Any, read: Read, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "tithe"):
        outcome = pipeline.train(read(training__mixed_precision=written))
    used = outcome.scores["training"]["precision"]
    if written in ("fp16", "bf16"):
        assert used in ("bf16", "no") and (written == "bf16" or "fp16 needs a CUDA GPU" in caplog.text)
        assert written == "bf16" or "fp16 needs a CUDA GPU" in (outcome.home / "train.log").read_text()
    else:
        assert used == "no" and caplog.text == ""


def test_the_step_log_has_the_documented_fields(finished: Outcome) -> None:
    log = (finished.home / "train.log").read_text()
    line = next(text for text in log.splitlines() if "batch_loss" in text)
    assert "epoch 1 step 10 batch_loss" in line and "opt_steps 5" in line and "lr 0.01" in line
    assert "gpu_mem" not in log  # it is there with CUDA alone
