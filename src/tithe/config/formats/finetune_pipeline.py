"""The documented JSON of `finetune_pipeline`: symbols for classes, an optionally frozen encoder, an MLP head."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from tithe.config import Count, Positive, Ratio, Section, Seed, Select, Workers
from tithe.config.unused import Rule
from tithe.config.values import PathStr

_PREPARED = "finetune_pipeline/data/combined_processed"


class _Paths(Section):
    base_model_dir: PathStr = Field(
        "finetune_pipeline/base_models/mmBERT-base",
        description="folder of the encoder and its tokenizer, or a hub name",
    )
    dataset_path: PathStr = Field(f"{_PREPARED}/combined_dataset.json", description="combined_dataset.json")
    label_mapping_path: PathStr | None = Field(
        f"{_PREPARED}/output_to_symbol.json",
        description="output_to_symbol.json; null, or unset beside another dataset_path: labels are used as they are",
    )
    output_dir: PathStr = Field("finetune_pipeline/artifacts", description="parent folder of the run directories")

    @property
    def mapping(self) -> str | None:
        """The mapping of the data set: the documented one belongs to no other data set."""
        is_own = {"dataset_path", "label_mapping_path"} & self.model_fields_set == {"dataset_path"}
        return None if is_own else self.label_mapping_path


class _Data(Section):
    max_length: Positive = Field(256, description="tokens kept of each text")
    train_ratio: Ratio = Field(0.8, gt=0, description="share of rows for training")
    val_ratio: Ratio = Field(0.1, gt=0, description="share of rows for validation; the rest is the test")
    seed: Seed = Field(42, description="seed of the split, the head's initial weights and the order of batches")

    @model_validator(mode="after")
    def _fits(self) -> _Data:
        if self.train_ratio + self.val_ratio > 1 + 1e-9:
            raise ValueError("data.train_ratio + data.val_ratio must be at most 1: the rest is the test")
        return self


class _Model(Section):
    hidden_dim: Annotated[int, Field(gt=0, le=65536)] = Field(256, description="width of the head's hidden layer")
    dropout: Ratio = Field(0.1, description="dropout in the head")


class _Training(Section):
    epochs: Positive = Field(3, description="passes over the training rows")
    batch_size: Positive = Field(1, description="rows per micro-batch")
    gradient_accumulation_steps: Positive = Field(8, description="batches per optimizer step")
    num_workers: Workers = Field(0, description="worker processes of the data loaders")
    learning_rate: float = Field(1e-3, gt=0, description="learning rate of the head")
    encoder_learning_rate: float = Field(5e-6, gt=0, description="learning rate of the encoder, if not frozen")
    weight_decay: float = Field(0.01, ge=0, description="decay of matrices")
    max_grad_norm: float = Field(1.0, ge=0, description="largest gradient norm; 0 for no clipping")
    freeze_backbone: bool = Field(True, description="train only the head")
    freeze_layers: Count = Field(
        0, description="number of first layers to freeze if the encoder is trained; an addition"
    )
    mixed_precision: Literal["no", "fp16", "bf16", False] | None = Field(
        "fp16", description="no: off; fp16 becomes bf16 or float32 without a CUDA GPU"
    )
    log_every_steps: Positive = Field(5, description="optimizer steps between two log lines")


class Config(Section):
    """The documented file, key by key."""

    paths: _Paths = _Paths()
    data: _Data = _Data()
    model: _Model = _Model()
    training: _Training = _Training()
    select: Select | None = Field(None, description="train on a part of the training rows; an addition")


# Not `encoder_learning_rate`, which the documented file has next to `freeze_backbone`.
UNUSED = (
    Rule(
        ("training.freeze_layers",), lambda c: c.training.freeze_backbone, "training.freeze_backbone freezes them all"
    ),
)

# What messages call a setting or a command, and what it is called here.
NAMES = {
    "data.path": "paths.dataset_path",
    "data.label_mapping": "paths.label_mapping_path",
    "data.num_workers": "training.num_workers",
    "model.encoder": "paths.base_model_dir",
    "model.max_length": "data.max_length",
    "set model.freeze to all or none": "set training.freeze_layers to 0, or training.freeze_backbone to true",
    "model.freeze": "training.freeze_backbone",
    "train.epochs": "training.epochs",
    "train.batch_size": "training.batch_size",
    "train.accumulation_steps": "training.gradient_accumulation_steps",
    "train.learning_rate": "training.learning_rate",
    "train.encoder_learning_rate": "training.encoder_learning_rate",
    "train.weight_decay": "training.weight_decay",
    "train.clip_norm": "training.max_grad_norm",
    "train.precision": "training.mixed_precision",
    "train.log_every_steps": "training.log_every_steps",
    "'tithe prepare'": "'python finetune_pipeline/scripts/preprocess_data.py'",
}


def translate(config: Config, file: Path) -> dict[str, Any]:
    """Return the equivalent native settings.

    Relative paths are resolved against the repository: the current folder, or the nearest parent of the config file
    that contains the data set, else the model. The run is named after the file.
    """
    paths, data, training = config.paths, config.data, config.training
    root = _root(file.parent, paths.dataset_path, paths.base_model_dir)
    frozen: str | int = training.freeze_layers or "none"
    return {
        "name": re.sub(r"[^\w.\-]", "_", file.stem),
        "seed": data.seed,
        "out": f"{root / paths.output_dir}/{{time}}",
        "data": {
            "path": str(root / paths.dataset_path),
            "reader": "json_parts" if paths.dataset_path.endswith(".json") else None,
            "text_column": "input",
            "label_column": "output",
            "label_mapping": str(root / paths.mapping) if paths.mapping else None,
            "val_ratio": data.val_ratio,
            "test_ratio": round(max(0.0, 1 - data.train_ratio - data.val_ratio), 9),
            "num_workers": training.num_workers,
        },
        "model": {
            "encoder": _encoder(root, paths.base_model_dir),
            "head": "mlp",
            **config.model.model_dump(),
            "max_length": data.max_length,
            "freeze": "all" if training.freeze_backbone else frozen,
        },
        "select": config.select.model_dump() if config.select else None,
        "train": {
            "epochs": training.epochs,
            "batch_size": training.batch_size,
            "accumulation_steps": training.gradient_accumulation_steps,
            "learning_rate": training.learning_rate,
            "encoder_learning_rate": training.encoder_learning_rate,
            "weight_decay": training.weight_decay,
            "schedule": "constant",
            "clip_norm": training.max_grad_norm,
            "precision": training.mixed_precision or "no",
            "log_every_steps": training.log_every_steps,
        },
        "checkpoint": {"single_files": True},
    }


def _root(folder: Path, *paths: str) -> Path:
    """Return the folder that the documented paths are relative to; an empty path for the current one."""
    candidates = [Path(), folder.resolve(), *folder.resolve().parents]
    for path in paths:
        for candidate in candidates:
            if not Path(path).is_absolute() and (candidate / path).exists():
                return candidate
    return Path()


def _encoder(root: Path, name: str) -> str:
    """Return a path if the folder exists or the name looks like a path; else the name, of the hub or `minilm`."""
    is_path = (root / name).exists() or name.count("/") > 1
    return str(root / name) if is_path else name
