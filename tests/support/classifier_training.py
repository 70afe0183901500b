"""Small files of the documented format `classifier_training`, what they mean, and runs of them."""

import json
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import torch

from support.texts import make_texts, write_rows
from tithe import config, data, plugins, storage
from tithe.runs.finish import Outcome
from tithe.train import devices, trainer
from tithe.train.step import Step
from tithe.train.trainer import FitOptions

# 40 rows, a quarter for validation: 30 for training, 8 micro-batches of 4 in an epoch.
ROWS, TRAIN, BATCHES = 40, 30, 8


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


def start(run: config.Run) -> tuple[torch.nn.Module, Iterator[Step]]:
    """Return the model and the steps of its training, without the records of a whole run."""
    task = plugins.load("tasks", run.task).open(run)
    splits = data.load(run.data, run.seed)
    examples = task.encode(splits.rows).take(splits.train)
    model = task.build(len(splits.labels), run.seed)
    accelerator = devices.accelerator(run.train.device, run.train.precision)
    criterion = task.criterion(run.train.label_smoothing)
    return model, trainer.fit(model, criterion, examples, FitOptions(run.train, run.seed, accelerator))


def steps(run: config.Run) -> list[Step]:
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


def final(outcome: Outcome) -> str:
    sha256: str = outcome.scores["training"]["final_weights_sha256"]
    return sha256


def history(outcome: Outcome, kind: str) -> list[dict[str, Any]]:
    return [line for line in storage.read_lines(outcome.home / "history.jsonl") if line["kind"] == kind]


def saved(outcome: Outcome) -> list[str]:
    return sorted(path.name for path in outcome.home.glob("step_*"))
