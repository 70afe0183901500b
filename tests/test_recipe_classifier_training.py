"""Every documented key of `classifier_training`, shown by its effect: on rows, on steps, on weights, on disk."""

import json
import logging
import math
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from conftest import make_texts, write_rows
from tithe import checkpoint, config, data, devices, metrics, pipeline, plugins, records, tensors, trainer, vocabulary
from tithe.errors import InputError
from tithe.recipes import classifier_training

SECRET = "s3cr3t-do-not-show"
# 40 rows, a quarter for validation: 30 for training, 8 micro-batches of 4 in an epoch.
ROWS, TRAIN, BATCHES = 40, 30, 8

TESTED: set[str] = set()


def shows(*keys: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Note which keys a test shows the effect of."""
    TESTED.update(keys)
    return lambda test: test


def documented(folder: Path, model: Path) -> dict[str, dict[str, Any] | Any]:
    """The documented file, every section of it, small."""
    rows = folder / "rows.parquet"
    if not rows.exists():
        write_rows(rows, *make_texts(ROWS // 2))
    return {
        "model_name": str(model),
        "data": {"parquet_path": str(rows), "val_ratio": 0.25, "num_workers": 0},
        "training": {"batch_size": 4, "num_epochs": 1, "max_seq_length": 16, "mixed_precision": "no", "seed": 1},
        "optimizer": {"learning_rate": 1e-3, "weight_decay": 0.01},
        "scheduler": {"type": "linear", "warmup_steps": 0, "num_training_steps": 2 * BATCHES},
        "checkpointing": {"checkpoints_dir": str(folder / "checkpoints"), "save_best_by": "f1"},
    }


def read(folder: Path, model: Path, changes: dict[str, Any], *overrides: str) -> config.Run:
    """Write the documented file with some keys changed, and read it as the command does."""
    raw = documented(folder, model)
    for key, value in changes.items():
        section, _, name = key.rpartition(".")
        (raw.setdefault(section, {}) if section else raw)[name] = value
    path = folder / "config.yaml"
    path.write_text(json.dumps(raw), encoding="utf-8")
    return config.load(path, ["track.tensorboard=false", "train.device=cpu", "checkpoint.keep=100", *overrides])


Given = Callable[..., config.Run]


@pytest.fixture
def given(tmp_path: Path, tiny_bert: Path) -> Given:
    """Return the documented file with some keys changed, as a `Run`."""
    return lambda *overrides, **changes: read(tmp_path, tiny_bert, changes, *overrides)


def start(run: config.Run) -> tuple[torch.nn.Module, Iterator[trainer.Step]]:
    """Return the model and the steps of its training, without the records of a whole run."""
    task = plugins.load("tasks", run.task).open_task(run)
    splits = data.load(run.data, run.seed)
    examples = task.encode(splits.everything).take(splits.train)
    model = task.build(len(splits.labels), run.seed)
    accelerator = devices.accelerator(run.train.device, run.train.precision)
    criterion = task.criterion(run.train.label_smoothing)
    return model, trainer.fit(model, criterion, examples, run.train, run.seed, accelerator)


def steps(run: config.Run) -> list[trainer.Step]:
    return list(start(run)[1])


def rates(run: config.Run) -> list[float]:
    """The learning rate of every step."""
    return [step.lr[0] for step in steps(run)]


def weights(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}


def moved(run: config.Run, count: int = 3) -> float:
    """The largest change of any weight after some steps."""
    model, going = start(run)
    before = weights(model)
    for _ in islice(going, count):
        pass
    return max(float((value - before[name]).abs().max()) for name, value in weights(model).items())


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, tiny_bert: Path) -> Callable[..., pipeline.Outcome]:
    """Run the pipeline once for each set of changes, from file to report, and remember what came out."""
    known: dict[str, pipeline.Outcome] = {}
    folder = tmp_path_factory.mktemp("whole")

    def run(again: int = 0, **changes: Any) -> pipeline.Outcome:
        key = json.dumps([again, changes], sort_keys=True)
        if key not in known:
            home = Path(tempfile.mkdtemp(dir=folder))
            documented(folder, tiny_bert)  # one Parquet file for all
            settings = {"data.parquet_path": str(folder / "rows.parquet"), **changes}
            settings.setdefault("checkpointing.checkpoints_dir", str(home / "checkpoints"))
            known[key] = pipeline.train(read(home, tiny_bert, settings))
        return known[key]

    return run


def final(outcome: pipeline.Outcome) -> str:
    sha256: str = outcome.scores["training"]["final_weights_sha256"]
    return sha256


def history(outcome: pipeline.Outcome, kind: str) -> list[dict[str, Any]]:
    return [line for line in records.read_lines(outcome.home / "history.jsonl") if line["kind"] == kind]


def saved(outcome: pipeline.Outcome) -> list[str]:
    return sorted(path.name for path in outcome.home.glob("step_*"))


# ---- model and data


@shows("model_name")
def test_model_name(given: Given, tiny_modernbert: Path) -> None:
    kinds = []
    for run in (given(), given(model_name=str(tiny_modernbert))):
        task = plugins.load("tasks", run.task).open_task(run)
        kinds.append(type(task.build(2, 0).encoder).__name__)
    assert kinds == ["BertModel", "ModernBertModel"]


def test_the_model_is_trained_from_the_weights_of_its_folder(given: Given, tiny_bert: Path) -> None:
    from safetensors.torch import load_file

    pretrained = load_file(tiny_bert / "model.safetensors")
    built = weights(start(given())[0])
    name = "encoder.layer.0.attention.self.query.weight"
    assert torch.equal(built[f"encoder.{name}"], pretrained[name])


def test_a_model_that_is_nowhere_is_refused(given: Given, tmp_path: Path) -> None:
    run = given(model_name=str(tmp_path / "nowhere"))
    with pytest.raises(InputError, match="nowhere"):
        pipeline.train(run)
    assert not (tmp_path / "checkpoints").exists()


@shows("data.parquet_path")
def test_parquet_path(given: Given, tmp_path: Path) -> None:
    other = write_rows(tmp_path / "other.parquet", *make_texts(9, classes=3, seed=5))
    found = data.load(given(**{"data.parquet_path": str(other)}).data, 0)
    assert found.everything.inputs() == make_texts(9, classes=3, seed=5)[0]
    assert found.labels.names == ("space", "sport", "кухня")
    assert len(data.load(given().data, 0).everything) == ROWS


@shows("data.val_ratio", "data.test_ratio")
@pytest.mark.parametrize(("val", "test"), [(0.1, 0.0), (0.25, 0.0), (0.25, 0.1), (0.5, 0.25)])
def test_ratios(given: Given, val: float, test: float) -> None:
    found = data.load(given(**{"data.val_ratio": val, "data.test_ratio": test}).data, 1)
    assert [len(found.val), len(found.test)] == [val * ROWS, test * ROWS]
    assert len(found.train) == ROWS - len(found.val) - len(found.test)


def test_no_test_rows_are_held_out_unless_asked(given: Given) -> None:
    assert len(data.load(given().data, 1).test) == 0


@shows("data.num_workers")
def test_num_workers_collate_the_same_batches(
    whole: Callable[..., pipeline.Outcome], monkeypatch: pytest.MonkeyPatch
) -> None:
    used = []
    real = torch.utils.data.DataLoader.__init__

    def spy(self: Any, *args: Any, **named: Any) -> None:
        used.append(named["num_workers"])
        real(self, *args, **named)

    expected = final(whole())
    monkeypatch.setattr(torch.utils.data.DataLoader, "__init__", spy)
    assert final(whole(**{"data.num_workers": 2})) == expected
    assert used == [2]


@shows("data.upsample", "data.downsample")
@pytest.mark.parametrize(
    ("upsample", "downsample", "sizes"),
    [(False, False, [7, 23]), (True, False, [23, 23]), (False, True, [7, 7]), (True, True, [15, 15])],
)
def test_balance(given: Given, tmp_path: Path, upsample: bool, downsample: bool, sizes: list[int]) -> None:
    skewed = write_rows(tmp_path / "skewed.parquet", make_texts(20)[0], ["a"] * 9 + ["b"] * 31)
    changes = {"data.parquet_path": str(skewed), "data.upsample": upsample, "data.downsample": downsample}
    found = data.load(given(**changes).data, 0)
    assert Counter(found.everything.labels[found.train].tolist()) == dict(enumerate(sizes))
    assert len(found.val) == 10


# ---- training


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
    everything = data.load(run.data, 0).everything
    lengths = plugins.load("tasks", "text").open_task(run).encode(everything).lengths
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
    criterion = plugins.load("tasks", run.task).open_task(run).criterion(run.train.label_smoothing)
    logits = torch.randn(6, 3, generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([0, 1, 2, 0, 1, 2])
    log_p = F.log_softmax(logits, dim=1)
    target = (1 - smoothing) * F.one_hot(labels, 3) + smoothing / 3
    assert float(criterion(logits, {"labels": labels})) == pytest.approx(-float((target * log_p).sum()))


def test_label_smoothing_reaches_the_training(whole: Callable[..., pipeline.Outcome]) -> None:
    smooth = whole(**{"training.label_smoothing": 0.9})
    assert final(smooth) != final(whole())
    # The target is nearly even, so is what is learnt; the loss of validation is never smoothed.
    chance = math.log(2)
    assert abs(history(smooth, "val")[0]["loss"] - chance) < abs(history(whole(), "val")[0]["loss"] - chance)


@shows("training.seed")
def test_seed(whole: Callable[..., pipeline.Outcome]) -> None:
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
        task = plugins.load("tasks", run.task).open_task(run)
        heads.append(weights(task.build(2, run.seed).head)["1.weight"].tolist())
        examples = task.encode(splits.everything).take(splits.train)
        orders.append(np.concatenate(trainer.plan(examples, run.train, run.seed).epoch(0)).tolist())
    assert heads[0] == heads[1] != heads[2]
    assert orders[0] == orders[1] != orders[2]


def test_the_seed_decides_the_whole_run_as_it_does_the_loop_alone(
    whole: Callable[..., pipeline.Outcome], given: Given
) -> None:
    """The records of a run with seed 2 tell the losses that the loop yields when it is given that seed."""
    told = {line["step"]: line["batch_loss"] for line in history(whole(**{"training.seed": 2}), "train")}
    losses = [step.batch_loss for step in steps(given(**{"training.seed": 2}))]
    assert told == {5: losses[4], 8: losses[7]}


@shows("training.resume_from")
@pytest.mark.parametrize("which", ["step_00000008", "step_00000008/model.pt", "."])
def test_resume_from(whole: Callable[..., pipeline.Outcome], which: str) -> None:
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
def test_resume_in_the_same_folder(whole: Callable[..., pipeline.Outcome], tmp_path: Path, which: str) -> None:
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
        ("training.seed", 7, "other data"),
        ("training.batch_size", 8, "other order"),
        ("training.max_seq_length", 12, "other model"),
    ],
)
def test_resume_from_a_run_of_another_kind_is_refused(
    whole: Callable[..., pipeline.Outcome], given: Given, key: str, value: int, says: str
) -> None:
    one = whole()
    rows = str(one.home.parent.parent / "rows.parquet")
    changes = {"data.parquet_path": rows, "training.num_epochs": 2, "training.resume_from": str(one.home), key: value}
    with pytest.raises(InputError, match=says):
        pipeline.train(given(**changes))


def test_resume_from_nowhere_is_refused(given: Given, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no checkpoint at .*nowhere"):
        pipeline.train(given(**{"training.resume_from": str(tmp_path / "nowhere")}))


# ---- optimizer and scheduler


@shows("optimizer.learning_rate")
def test_learning_rate(given: Given) -> None:
    slow, fast = (given(**{"optimizer.learning_rate": rate}) for rate in (1e-4, 1e-2))
    assert (rates(slow)[0], rates(fast)[0]) == (1e-4, 1e-2)
    assert moved(fast) > 20 * moved(slow)


@shows("optimizer.weight_decay")
def test_weight_decay(given: Given) -> None:
    """AdamW's first step: a matrix shrinks by lr · decay, besides the step of at most lr; a bias does not."""
    run = given(**{"optimizer.weight_decay": 200.0})
    model, going = start(run)
    before = weights(model)
    next(going)
    after = weights(model)
    for name in ("encoder.encoder.layer.0.output.dense.weight", "head.1.weight"):
        assert float((after[name] - 0.8 * before[name]).abs().max()) <= 1.01e-3
    for name in ("encoder.encoder.layer.0.output.LayerNorm.weight", "head.1.bias"):
        assert float((after[name] - before[name]).abs().max()) <= 1.01e-3


@shows("scheduler.type", "scheduler.num_cycles")
@pytest.mark.parametrize(
    ("changes", "factor"),
    [
        ({"scheduler.type": "linear"}, lambda p: 1 - p),
        ({"scheduler.type": "cosine"}, lambda p: (1 + math.cos(math.pi * p)) / 2),
        ({"scheduler.type": "cosine", "scheduler.num_cycles": 2}, lambda p: (1 + math.cos(4 * math.pi * p)) / 2),
    ],
)
def test_scheduler(given: Given, changes: dict[str, Any], factor: Callable[[float], float]) -> None:
    found = rates(given(**changes, **{"scheduler.num_training_steps": None}))
    assert found == pytest.approx([1e-3 * factor(step / BATCHES) for step in range(BATCHES)])


@shows("scheduler.warmup_steps")
def test_warmup_steps(given: Given) -> None:
    found = rates(given(**{"scheduler.warmup_steps": 3, "scheduler.num_training_steps": None}))
    rising, falling = [1 / 4, 2 / 4, 3 / 4], [1 - step / 5 for step in range(5)]
    assert found == pytest.approx([1e-3 * factor for factor in rising + falling])


@shows("scheduler.num_training_steps")
@pytest.mark.parametrize(
    ("given_steps", "factors"),
    [
        (None, [1 - step / 8 for step in range(8)]),
        (16, [1 - step / 16 for step in range(8)]),
        (4, [1, 0.75, 0.5, 0.25, 0, 0, 0, 0]),
    ],
)
def test_num_training_steps(given: Given, given_steps: int | None, factors: list[float]) -> None:
    found = rates(given(**{"scheduler.num_training_steps": given_steps}))
    assert found == pytest.approx([1e-3 * factor for factor in factors])


# ---- checkpoints

FILES = {"model.pt", "optimizer.pt", "scheduler.pt", "state.json"}


@shows("checkpointing.checkpoints_dir")
def test_checkpoints_dir(whole: Callable[..., pipeline.Outcome], tmp_path: Path) -> None:
    """Checkpoints lie in the folder itself, in the documented form, and the matrix lies there as a picture."""
    outcome = whole(**{"checkpointing.checkpoints_dir": str(tmp_path / "my checkpoints")})
    home = tmp_path / "my checkpoints"
    assert outcome.home == home
    assert outcome.best == home / "best"
    assert saved(outcome) == ["step_00000008"]
    for folder in (home / "best", home / "step_00000008"):
        assert {path.name for path in folder.iterdir()} >= FILES
        assert records.broken_files(folder) == []
    assert (home / "validation" / "confusion_matrix.png").read_bytes().startswith(b"\x89PNG")
    assert {"loss", "accuracy", "precision", "recall", "f1", "confusion_matrix"} <= outcome.scores["validation"].keys()
    assert records.read_json(home / "config.json")["train"]["batch_size"] == 4


def test_an_earlier_run_in_the_folder_is_not_buried(whole: Callable[..., pipeline.Outcome], given: Given) -> None:
    home = whole().home
    with pytest.raises(InputError, match="holds an earlier run: resume it"):
        pipeline.train(given(**{"checkpointing.checkpoints_dir": str(home)}))
    assert records.broken_files(home) == []


@shows("checkpointing.save_every_n_bathces")
@pytest.mark.parametrize(
    ("every", "accumulate", "at"),
    [(None, 1, [8]), (3, 1, [3, 6, 8]), (4, 2, [2, 4]), (3, 2, [2, 3, 4])],
)
def test_save_every_n_bathces(
    whole: Callable[..., pipeline.Outcome], every: int | None, accumulate: int, at: list[int]
) -> None:
    """Counted in batches, as the document says; a folder is named by its optimizer step."""
    changes = {"checkpointing.save_every_n_bathces": every, "training.gradient_accumulation_steps": accumulate}
    outcome = whole() if every is None else whole(**changes)
    assert saved(outcome) == [f"step_{step:08d}" for step in at]


SCRIPT = [
    {"loss": 0.5, "accuracy": 0.6, "f1": 0.9},
    {"loss": 0.4, "accuracy": 0.5, "f1": 0.6},
    {"loss": 0.6, "accuracy": 0.9, "f1": 0.7},
]


@shows("checkpointing.save_best_by")
@pytest.mark.parametrize(("by", "epoch"), [("f1", 1), ("loss", 2), ("accuracy", 3)])
def test_save_best_by(
    whole: Callable[..., pipeline.Outcome], monkeypatch: pytest.MonkeyPatch, by: str, epoch: int
) -> None:
    """Three epochs whose scores are given: each of the three is the best by one of them."""
    said, real = iter(SCRIPT), metrics.summary
    monkeypatch.setattr(metrics, "summary", lambda *args: {**real(*args), **next(said, {})})
    outcome = whole(**{"checkpointing.save_best_by": by, "training.num_epochs": 3, "training.batch_size": 30})
    assert [{k: line[k] for k in SCRIPT[0]} for line in history(outcome, "val")] == SCRIPT
    expected = {"by": by, "score": SCRIPT[epoch - 1][by], "step": epoch, "epoch": epoch}
    assert outcome.scores["best"] == expected
    best = tensors.sha256_of_all(checkpoint.weights(outcome.best))
    assert best == tensors.sha256_of_all(checkpoint.weights(outcome.home / f"step_{epoch:08d}"))
    assert (best == final(outcome)) is (epoch == 3)


# ---- the selection, an addition


@shows(*(f"select.{key}" for key in config.Select.model_fields))
def test_the_native_section_select_is_taken_as_it_is(given: Given) -> None:
    asked = {
        **{"strategy": "entropy_diversity", "budget": 0.5, "balance": "none", "floor": 2, "seed": 3, "folds": 2},
        **{"proxy_runs": 4, "language_model": "lm.gguf", "rounds": 2, "first": "all", "options": {"weight": 0.3}},
    }
    assert asked.keys() == config.Select.model_fields.keys()
    assert given(select=asked).select == config.Select(**asked) and given().select is None
    assert given("select.strategy=k_center", select=asked).select == config.Select(**{**asked, "strategy": "k_center"})
    assert given("select.strategy=k_center").select == config.Select(strategy="k_center")
    with pytest.raises(InputError, match=r"unknown key 'select.strateg' in config.yaml: did you mean 'strategy'"):
        given(select={"strateg": "all"})


def test_a_run_trains_on_what_was_selected(whole: Callable[..., pipeline.Outcome]) -> None:
    outcome = whole(select={"strategy": "k_center", "budget": 0.4})
    assert records.read_json(outcome.home / "selection.json")["rows"] == 12
    assert history(outcome, "train")[-1]["step"] == 3  # 12 rows in batches of 4


# ---- Neptune

NEPTUNE: dict[str, Any] = {
    "project": "team/classifier",
    "api_token": SECRET,
    "experiment_name": "first try",
    "run_id": "CLS-42",
    "tags": ["small", "bert"],
}


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The two files that the section may name."""
    folder = tmp_path_factory.mktemp("sources")
    (folder / "requirements.txt").write_text("torch==2.6\n")
    (folder / "prod.env").write_text(f"MODE=prod\nAPI_KEY={SECRET}\n")
    return {"dependencies_path": str(folder / "requirements.txt"), "env_path": str(folder / "prod.env")}


@pytest.fixture(scope="module")
def told(
    whole: Callable[..., pipeline.Outcome], sources: dict[str, str]
) -> tuple[Path, dict[str, Any], dict[str, list[Any]]]:
    """Run with every documented key of Neptune; return the run's folder, what its tracker was given, what it got."""
    given: dict[str, Any] = {}
    got: dict[str, list[Any]] = {name: [] for name in ("params", "scalars", "figure", "artifact", "close")}

    class Mirror:
        def __getattr__(self, name: str) -> Callable[..., None]:
            return lambda *args: got[name].append(args)

    def open_mirror(home: Path, settings: dict[str, Any], name: str) -> Mirror:
        given.update(settings, home=home, name=name)
        return Mirror()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plugins, "installed", lambda module: True)
        patch.setattr(plugins.load("trackers", "neptune"), "open", open_mirror)
        outcome = whole(**{f"neptune.{key}": value for key, value in {**NEPTUNE, **sources}.items()})
    return outcome.home, given, got


@shows(*(f"neptune.{key}" for key in (*NEPTUNE, "dependencies_path", "env_path")))
@pytest.mark.parametrize("key", [*NEPTUNE, "dependencies_path", "env_path"])
def test_what_neptune_is_given(told: tuple[Path, dict[str, Any], Any], sources: dict[str, str], key: str) -> None:
    expected = {**NEPTUNE, **sources, "tags": ("small", "bert")}
    assert told[1][key] == expected[key]


def test_what_neptune_is_told(told: tuple[Path, dict[str, Any], dict[str, list[Any]]]) -> None:
    home, given, got = told
    assert given["home"] == home
    (params,) = got["params"]
    assert params[0]["train"]["batch_size"] == 4
    names = {name for values, _ in got["scalars"] for name in values}
    assert {"train/batch_loss", "val/loss", "val/accuracy", "val/precision", "val/recall", "val/f1"} <= names
    assert ("validation/confusion_matrix", home / "validation" / "confusion_matrix.png") in got["figure"]
    assert got["close"] == [("finished",)]


def test_the_token_is_in_no_file(told: tuple[Path, dict[str, Any], dict[str, list[Any]]]) -> None:
    home, _, got = told
    assert SECRET not in str(got)
    files = [path for path in home.rglob("*") if path.is_file()]
    assert len(files) > 20
    assert [path for path in files if SECRET.encode() in path.read_bytes()] == []


def test_the_offline_record_holds_what_neptune_was_given(
    whole: Callable[..., pipeline.Outcome], sources: dict[str, str]
) -> None:
    pytest.importorskip("neptune.exceptions", reason="the extra tithe[neptune] is not installed")
    outcome = whole(again=1, **{f"neptune.{key}": value for key, value in {**NEPTUNE, **sources}.items()})
    record = b"".join(p.read_bytes() for p in (outcome.home / ".neptune" / "offline").rglob("*") if p.is_file())
    for part in ("team/classifier", "first try", "CLS-42", "small", "bert", "torch==2.6", "MODE=prod"):
        assert part.encode() in record, part
    assert [p for p in outcome.home.rglob("*") if p.is_file() and SECRET.encode() in p.read_bytes()] == []


@pytest.mark.parametrize("key", ["dependencies_path", "env_path"])
def test_a_file_that_neptune_misses_is_refused_before_anything_is_written(
    given: Given, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.setattr(plugins, "installed", lambda module: True)
    with pytest.raises(InputError, match=f"{key}: no file 'nowhere'"):
        pipeline.train(given(**{f"neptune.{key}": "nowhere"}))
    assert not (tmp_path / "checkpoints").exists()


@pytest.mark.parametrize("section", [None, {}, {"project": "", "api_token": None, "tags": []}, {"api_token": ""}])
def test_an_empty_section_means_no_neptune(given: Given, section: dict[str, Any] | None) -> None:
    assert given(neptune=section).track.neptune is None


def test_tags_may_be_one_string(given: Given) -> None:
    section = given(neptune={"tags": "small, bert,"}).track.neptune
    assert section is not None
    assert section.tags == ("small", "bert")


# ---- the whole vocabulary


def test_every_documented_key_has_a_case() -> None:
    keys = vocabulary.known_keys(classifier_training.Config)
    leaves = {key for key in keys if not any(other.startswith(f"{key}.") for other in keys)}
    assert leaves == TESTED


def test_the_smallest_file_of_the_document_is_enough(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("data:\n  parquet_path: rows.parquet\n")
    run = config.load(path)
    assert (run.data.path, run.model.encoder) == ("rows.parquet", "minilm")
    assert (run.out, run.checkpoint.dir) == ("checkpoints", ".")
