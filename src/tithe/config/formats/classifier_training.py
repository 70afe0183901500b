"""The documented YAML of `classifier_training`: a labelled Parquet file, a config, a checkpoint folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from tithe.config import Count, Neptune, Positive, Ratio, Section, Seed, Select, Workers
from tithe.config.unused import Rule
from tithe.config.values import PathStr


class _Data(Section):
    parquet_path: PathStr = Field(description="labelled Parquet file (CSV and JSONL work too)")
    val_ratio: Ratio = Field(0.1, gt=0, description="share of rows for validation")
    test_ratio: Ratio = Field(0.0, description="share of rows held out for the test; an addition, off by default")
    num_workers: Workers = Field(0, description="worker processes of the data loaders")
    upsample: bool = Field(False, description="repeat rows of small classes")
    downsample: bool = Field(False, description="drop rows of large classes")


class _Training(Section):
    batch_size: Positive = Field(16, description="rows per micro-batch")
    num_epochs: Positive = Field(3, description="passes over the training rows")
    gradient_accumulation_steps: Positive = Field(1, description="batches per optimizer step")
    max_seq_length: Positive = Field(256, description="tokens kept of each text")
    mixed_precision: Literal["no", "fp16", "bf16"] | bool | None = Field(
        "no", description="true: whatever the device supports; fp16 becomes bf16 without a GPU"
    )
    attention_implementation: Literal["auto", "sdpa", "eager", "flash_attention_2"] | None = Field(
        "auto", description="auto lets the encoder choose"
    )
    gradient_clip_val: float | None = Field(1.0, ge=0, description="largest gradient norm; null or 0 for none")
    label_smoothing: Ratio = Field(0.0, description="share of the target spread over all classes")
    seed: Seed = Field(42, description="seed of the split, the head, the order of batches and dropout")
    resume_from: PathStr | None = Field(None, description="checkpoint, folder of checkpoints, or 'auto'")


class _Optimizer(Section):
    learning_rate: float = Field(2e-5, gt=0, description="peak learning rate of AdamW")
    weight_decay: float = Field(0.01, ge=0, description="decay of matrices")


class _Scheduler(Section):
    type: Literal["linear", "cosine"] = Field("linear", description="decay after the warmup")
    warmup_steps: Count = Field(0, description="optimizer steps from 0 to the peak")
    num_training_steps: Positive | None = Field(None, description="computed from the epochs when unset")
    num_cycles: float = Field(0.5, gt=0, description="waves of the cosine")


class _Checkpointing(Section):
    checkpoints_dir: PathStr = Field("checkpoints", description="folder of the checkpoints and of all results")
    save_every_n_bathces: Positive | None = Field(None, description="spelled as documented; once per epoch when unset")
    save_best_by: Literal["loss", "accuracy", "f1"] = Field("f1", description="validation score of the best one")


class _Neptune(Neptune):
    tags: Annotated[tuple[str, ...], Field(strict=False)] | str | None = Field(  # type: ignore[assignment]  # wider
        (), description="tags of the run: a list, or a string with commas"
    )


class Config(Section):
    """The documented file, key by key."""

    model_name: PathStr = Field("minilm", description="path or Hugging Face name of the encoder")
    data: _Data
    training: _Training = _Training()
    optimizer: _Optimizer = _Optimizer()
    scheduler: _Scheduler = _Scheduler()
    checkpointing: _Checkpointing = _Checkpointing()
    select: Select | None = Field(None, description="train on a part of the training rows; an addition")
    neptune: _Neptune | None = None


UNUSED = (
    Rule(("scheduler.num_cycles",), lambda config: config.scheduler.type == "linear", "scheduler.type is linear"),
)

# What messages call a setting or a command, and what it is called here.
NAMES = {
    "data.path": "data.parquet_path",
    "model.encoder": "model_name",
    "model.max_length": "training.max_seq_length",
    "model.attention": "training.attention_implementation",
    "train.epochs": "training.num_epochs",
    "train.batch_size": "training.batch_size",
    "train.accumulation_steps": "training.gradient_accumulation_steps",
    "train.precision": "training.mixed_precision",
    "train.clip_norm": "training.gradient_clip_val",
    "train.label_smoothing": "training.label_smoothing",
    "train.learning_rate": "optimizer.learning_rate",
    "train.weight_decay": "optimizer.weight_decay",
    "train.schedule": "scheduler.type",
    "train.warmup_steps": "scheduler.warmup_steps",
    "train.schedule_steps": "scheduler.num_training_steps",
    "train.num_cycles": "scheduler.num_cycles",
    "checkpoint.every_batches": "checkpointing.save_every_n_bathces",
    "checkpoint.best_by": "checkpointing.save_best_by",
    "checkpoint.resume": "training.resume_from",
}


def translate(config: Config, file: Path) -> dict[str, Any]:
    """Return the equivalent native settings.

    The checkpoint folder is the run directory itself: the checkpoints are where the document says, with all other
    output of the run next to them. Paths are relative to the current folder.
    """
    training, data = config.training, config.data
    return {
        "name": "classifier_training",
        "seed": training.seed,
        "out": config.checkpointing.checkpoints_dir,
        "data": {
            "path": data.parquet_path,
            **data.model_dump(exclude={"parquet_path"}),
        },
        "model": {
            "encoder": config.model_name,
            "max_length": training.max_seq_length,
            "attention": training.attention_implementation or "auto",
        },
        "select": config.select.model_dump() if config.select else None,
        "train": {
            "epochs": training.num_epochs,
            "batch_size": training.batch_size,
            "accumulation_steps": training.gradient_accumulation_steps,
            "precision": _precision(training.mixed_precision),
            "clip_norm": training.gradient_clip_val or 0.0,
            "label_smoothing": training.label_smoothing,
            "learning_rate": config.optimizer.learning_rate,
            "weight_decay": config.optimizer.weight_decay,
            "schedule": config.scheduler.type,
            "warmup_steps": config.scheduler.warmup_steps,
            "schedule_steps": config.scheduler.num_training_steps,
            "num_cycles": config.scheduler.num_cycles,
        },
        "checkpoint": {
            "dir": ".",
            "every_batches": config.checkpointing.save_every_n_bathces,
            "best_by": config.checkpointing.save_best_by,
            "resume": training.resume_from,
        },
        "track": {"neptune": _neptune(config.neptune)},
    }


def _precision(value: str | bool | None) -> str:
    """Return the native value: `true` means whatever the device supports, `false` and null mean none."""
    if isinstance(value, str):
        return value
    return "auto" if value else "no"


def _neptune(section: _Neptune | None) -> dict[str, Any] | None:
    """Return the native section; none if it is missing, or every value is empty as in the template."""
    values = section.model_dump() if section else {}
    if isinstance(values.get("tags"), str):
        values["tags"] = [tag.strip() for tag in values["tags"].split(",") if tag.strip()]
    return {key: value for key, value in values.items() if value} or None
