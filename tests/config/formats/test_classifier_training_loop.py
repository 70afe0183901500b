"""Every documented key of `training` in `classifier_training`, shown by its effect on steps and weights."""

import logging
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from support.classifier_training import Given, final, history, moved, saved, start, steps, weights
from support.keys import shows
from tithe import data, pipeline, plugins
from tithe.errors import InputError
from tithe.runs.finish import Outcome
from tithe.train import devices, trainer


@shows("training.batch_size")
@pytest.mark.parametrize(("size", "count"), [(4, 8), (8, 4), (30, 1), (100, 1)])
def test_batch_size(given: Given, size: int, count: int) -> None:
    done = steps(given(**{"training.batch_size": size}))
    assert len(done) == done[-1].batches == count


@shows("training.num_epochs")
@pytest.mark.parametrize("epochs", [1, 4])
def test_num_epochs(given: Given, epochs: int) -> None:
    done = steps(given(**{"training.num_epochs": epochs, "training.batch_size": 10}))
    assert [step.epoch for step in done] == [epoch for epoch in range(1, epochs + 1) for _ in range(3)]


@shows("training.gradient_accumulation_steps")
def test_gradient_accumulation_steps(given: Given) -> None:
    """Two batches of 4 are a step, and the step is that of one batch of 8."""
    losses = []
    for size, accumulate in ((8, 1), (4, 2)):
        run = given(**{"training.batch_size": size, "training.gradient_accumulation_steps": accumulate})
        run = run.model_copy(update={"model": run.model.model_copy(update={"dropout": 0.0})})
        model, going = start(run)
        for module in model.modules():
            if hasattr(module, "p"):
                module.p = 0.0  # dropout draws another mask for another shape
        done = list(going)
        assert [step.batches for step in done] == ([1, 2, 3, 4] if accumulate == 1 else [2, 4, 6, 8])
        losses.append([step.batch_loss for step in done])
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


@shows("training.max_seq_length")
@pytest.mark.parametrize("length", [4, 8, 64])
def test_max_seq_length(given: Given, length: int) -> None:
    run = given(**{"training.max_seq_length": length})
    everything = data.load(run.data, 0).rows
    lengths = plugins.load("tasks", "text").open(run).encode(everything).lengths
    words = np.array([len(text.split()) for text in everything.inputs()])
    assert lengths.tolist() == np.minimum(words + 2, length).tolist()  # every word is a token, and two frame them


def test_a_max_seq_length_beyond_the_encoder_is_refused(given: Given, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="65 is more than the 64 positions"):
        pipeline.train(given(**{"training.max_seq_length": 65}))
    assert not (tmp_path / "checkpoints").exists()


PRECISIONS = [
    ("no", True, "no"),
    (None, True, "no"),
    (False, True, "no"),
    ("bf16", True, "bf16"),
    (True, True, "bf16"),
    ("fp16", True, "bf16"),
    ("bf16", False, "no"),
    (True, False, "no"),
    ("fp16", False, "no"),
]


@shows("training.mixed_precision")
@pytest.mark.parametrize(("asked", "native", "used"), PRECISIONS)
def test_mixed_precision(
    given: Given,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    asked: str | bool | None,
    native: bool,
    used: str,
) -> None:
    """On a CPU, with and without bf16 of its own: what is used, what the loss says, what the log says."""
    exact = next(start(given(**{"training.mixed_precision": "no"}))[1]).batch_loss
    monkeypatch.setattr(devices, "bf16_is_native", lambda device: native)
    run = given(**{"training.mixed_precision": asked})
    with caplog.at_level(logging.WARNING, "tithe"):
        loss = next(start(run)[1]).batch_loss
    assert devices.accelerator(run.train.device, run.train.precision).mixed_precision == used
    assert (loss == exact) is (used == "no")
    assert loss == pytest.approx(exact, rel=0.05)
    warned = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert bool(warned) is (isinstance(asked, str) and asked != used)


@shows("training.attention_implementation")
@pytest.mark.parametrize("asked", ["sdpa", "eager"])
def test_attention_implementation(given: Given, asked: str) -> None:
    model, _ = start(given(**{"training.attention_implementation": asked}))
    assert model.encoder.config._attn_implementation == asked  # type: ignore[union-attr]


@pytest.mark.parametrize("asked", ["auto", None])
def test_the_attention_is_free_to_choose(given: Given, asked: str | None) -> None:
    exact = next(start(given(**{"training.attention_implementation": "eager"}))[1]).batch_loss
    run = given(**{"training.attention_implementation": asked})
    assert run.model.attention == "auto"
    assert next(start(run)[1]).batch_loss == pytest.approx(exact, rel=0.2)


def test_an_attention_that_can_not_run_here_is_refused_with_the_cure(given: Given, tmp_path: Path) -> None:
    from transformers.utils.import_utils import is_flash_attn_2_available

    if is_flash_attn_2_available():
        pytest.skip("here it can run")
    with pytest.raises(InputError, match=r"flash_attention_2.*set it to auto, sdpa or eager"):
        pipeline.train(given(**{"training.attention_implementation": "flash_attention_2"}))
    assert not (tmp_path / "checkpoints").exists()


@shows("training.gradient_clip_val")
def test_gradient_clip_val(given: Given) -> None:
    still = {"optimizer.weight_decay": 0.0}
    free, clipped = (moved(given(**still, **{"training.gradient_clip_val": clip})) for clip in (0, 1e-9))
    assert free > 1e-3
    assert clipped < free / 50


@pytest.mark.parametrize(("clip", "measured"), [(1.0, True), (0, False), (None, False)])
def test_without_a_gradient_clip_val_the_norm_is_not_measured(given: Given, clip: float | None, measured: bool) -> None:
    norm = next(start(given(**{"training.gradient_clip_val": clip}))[1]).grad_norm
    assert (norm is not None) is measured


@shows("training.label_smoothing")
@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
def test_label_smoothing(given: Given, smoothing: float) -> None:
    run = given(**{"training.label_smoothing": smoothing})
    criterion = plugins.load("tasks", run.task).open(run).criterion(run.train.label_smoothing)
    logits = torch.randn(6, 3, generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([0, 1, 2, 0, 1, 2])
    log_p = F.log_softmax(logits, dim=1)
    target = (1 - smoothing) * F.one_hot(labels, 3) + smoothing / 3
    assert float(criterion(logits, {"labels": labels})) == pytest.approx(-float((target * log_p).sum()))


def test_label_smoothing_reaches_the_training(whole: Callable[..., Outcome]) -> None:
    smooth = whole(**{"training.label_smoothing": 0.9})
    assert final(smooth) != final(whole())
    # The target is nearly even, so is what is learnt; the loss of validation is never smoothed.
    chance = math.log(2)
    assert abs(history(smooth, "val")[0]["loss"] - chance) < abs(history(whole(), "val")[0]["loss"] - chance)


@shows("training.seed")
def test_seed(whole: Callable[..., Outcome]) -> None:
    first, again, other = whole(), whole(again=1), whole(**{"training.seed": 2})
    assert first.home != again.home
    assert final(first) == final(again) != final(other)
    assert history(first, "train") == history(again, "train")
    splits = [outcome.scores["training"]["split_sha256"] for outcome in (first, again, other)]
    assert splits[0] == splits[1] != splits[2]


def test_the_seed_decides_the_head_and_the_order_of_rows(given: Given) -> None:
    heads, orders = [], []
    for seed in (1, 1, 2):
        run = given(**{"training.seed": seed})
        splits = data.load(run.data, 0)
        task = plugins.load("tasks", run.task).open(run)
        heads.append(weights(task.build(2, run.seed).head)["1.weight"].tolist())
        examples = task.encode(splits.rows).take(splits.train)
        orders.append(np.concatenate(trainer.plan(examples, run.train, run.seed).epoch(0)).tolist())
    assert heads[0] == heads[1] != heads[2]
    assert orders[0] == orders[1] != orders[2]


def test_the_seed_decides_the_whole_run_as_it_does_the_loop_alone(whole: Callable[..., Outcome], given: Given) -> None:
    """The records of a run with seed 2 tell the losses that the loop yields when it is given that seed."""
    recorded = {line["step"]: line["batch_loss"] for line in history(whole(**{"training.seed": 2}), "train")}
    losses = [step.batch_loss for step in steps(given(**{"training.seed": 2}))]
    assert recorded == {5: losses[4], 8: losses[7]}


@shows("training.resume_from")
@pytest.mark.parametrize("which", ["step_00000008", "step_00000008/model.pt", "."])
def test_resume_from(whole: Callable[..., Outcome], which: str) -> None:
    """Two epochs in one go, and one epoch, stop, and one more: the same weights, bit for bit."""
    two = whole(**{"training.num_epochs": 2})
    one = whole()
    changes = {"training.num_epochs": 2, "training.resume_from": str(one.home / which)}
    resumed = whole(**changes)
    assert final(resumed) == final(two) != final(one)
    assert history(resumed, "train") == history(two, "train")
    assert [line["epoch"] for line in history(resumed, "val")] == [1, 2]
    assert saved(resumed) == ["step_00000016"]


@pytest.mark.parametrize("which", [".", "auto"])
def test_resume_in_the_same_folder(whole: Callable[..., Outcome], tmp_path: Path, which: str) -> None:
    home = tmp_path / "checkpoints"
    one = whole(**{"checkpointing.checkpoints_dir": str(home)})
    asked = which if which == "auto" else str(home)
    changes = {"checkpointing.checkpoints_dir": str(home), "training.num_epochs": 2, "training.resume_from": asked}
    resumed = whole(**changes)
    assert resumed.home == one.home == home
    assert final(resumed) == final(whole(**{"training.num_epochs": 2}))
    assert saved(resumed) == ["step_00000008", "step_00000016"]
    assert [line["epoch"] for line in history(resumed, "val")] == [1, 2]


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("training.seed", 7, "different data"),
        ("training.batch_size", 8, "different order"),
        ("training.max_seq_length", 12, "different model"),
    ],
)
def test_resume_from_a_run_of_another_kind_is_refused(
    whole: Callable[..., Outcome], given: Given, key: str, value: int, says: str
) -> None:
    one = whole()
    rows = str(one.home.parent.parent / "rows.parquet")
    changes = {"data.parquet_path": rows, "training.num_epochs": 2, "training.resume_from": str(one.home), key: value}
    with pytest.raises(InputError, match=says):
        pipeline.train(given(**changes))


def test_resume_from_nowhere_is_refused(given: Given, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no checkpoint at .*nowhere"):
        pipeline.train(given(**{"training.resume_from": str(tmp_path / "nowhere")}))
