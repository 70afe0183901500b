"""The documented JSON of `data_efficiency`: a strategy that keeps a tenth of the rows, or a search on all of them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from tithe.config.unused import Rule
from tithe.config.values import Betas, Choices, Count, Decay, PathStr, Positive, Range, Ratio, RatioRange, Section, Seed

_ALL = "all"


class Config(Section):
    """The documented file, key by key; keys that the document shows in examples only have the usual names."""

    strategy_name: PathStr = Field(description="strategy that selects the training rows; 'all' takes every row")
    budget: float = Field(0.1, gt=0, le=1, description="share of the training rows; ignored by 'all'")
    rounds: Positive = Field(
        1, description="rounds that share the budget; after each, a model trained on the rows so far scores the rest"
    )
    strategy_options: dict[str, Any] = Field({}, description="the strategy's own settings")
    language_model: PathStr | None = Field(
        None, description="causal model (folder or .gguf) for perplexity and ifd; a built-in n-gram model when unset"
    )
    run_name: Annotated[str, Field(pattern=r"^\w[\w.\-]*$")] | None = Field(
        None, description="folder of the run in checkpoints_dir; the name of the config file when unset"
    )
    seed: Seed = Field(42, description="seed of the split, the selection, the head, the order of batches and dropout")
    dataset_path: PathStr = Field("data/reviews.parquet", description="labelled Parquet, CSV or JSONL file")
    text_column: str = Field("text", description="column of the inputs")
    label_column: str = Field("label", description="column of the classes")
    val_ratio: Ratio = Field(0.1, gt=0, description="share of rows for validation")
    test_ratio: Ratio = Field(0.1, gt=0, description="share of rows held out for the test")
    model_name: PathStr = Field("minilm", description="encoder: 'minilm', a folder, or a hub name")
    max_length: Positive = Field(256, description="tokens kept of each text")
    dropout: Ratio = Field(
        0.1, description="dropout of the model: before the classifier and, if it is set and trained, in the backbone"
    )
    freeze_layers: Literal["all"] | Count = Field(
        0, description="number of first layers of the backbone to freeze, or all"
    )
    epochs: Positive = Field(3, description="passes over the selected rows")
    batch_size: Positive = Field(16, description="rows per micro-batch")
    gradient_accumulation_steps: Positive = Field(1, description="batches per optimizer step")
    learning_rate: float = Field(
        5e-5, gt=0, description="peak learning rate of the head, and of the backbone too unless that has its own"
    )
    backbone_learning_rate: float | None = Field(
        None, gt=0, description="peak learning rate of the backbone; learning_rate when unset"
    )
    weight_decay: float = Field(0.01, ge=0, description="decay of matrices")
    betas: Betas = Field((0.9, 0.999), description="AdamW's betas")
    save_best_by: Literal["loss", "accuracy", "f1"] = Field("f1", description="validation score of the best checkpoint")
    checkpoints_dir: PathStr = Field("checkpoints", description="parent folder of the run directories")
    log_dir: PathStr = Field("runs", description="parent folder of the runs' TensorBoard folders")
    enable_hyperparameter_tuning: bool = Field(False, description="search for better settings first; only with 'all'")
    warmup_epochs: Positive = Field(2, description="epochs of each trial of the search")
    tuning_n_iterations: Positive = Field(25, description="number of trials")
    tuning_sample_size: float = Field(0.15, gt=0, le=1, description="share of the training rows for the search")
    tuning_metric: Literal["val_loss", "val_accuracy"] = Field(
        "val_loss", description="metric that decides the best trial"
    )
    dropout_range: RatioRange = Field((0.1, 0.5), description="smallest and largest dropout of the model")
    lr_range: Range = Field((1e-5, 1e-4), description="smallest and largest learning rate")
    backbone_lr_range: Range | None = Field(
        None, description="range of a separate learning rate for the backbone; the head's rate when unset"
    )
    weight_decay_options: Choices[Decay] = Field((0.0, 0.01, 0.1), description="decays to choose from")
    betas_options: Choices[Betas] = Field(
        ((0.9, 0.999), (0.95, 0.999), (0.9, 0.99)), description="betas to choose from"
    )
    use_clearml: bool = Field(False, description="log to ClearML; keys come from .env, without them it works offline")

    @model_validator(mode="after")
    def _tunes_on_all_rows(self) -> Config:
        if self.enable_hyperparameter_tuning and self.strategy_name != _ALL:
            raise ValueError(
                f"enable_hyperparameter_tuning works with strategy_name '{_ALL}', not '{self.strategy_name}': "
                "set one or the other"
            )
        return self


_SEARCH = ("warmup_epochs", "tuning_n_iterations", "tuning_sample_size", "tuning_metric")
_SPACE = ("dropout_range", "lr_range", "backbone_lr_range", "weight_decay_options", "betas_options")

UNUSED = (
    Rule(_SEARCH + _SPACE, lambda c: not c.enable_hyperparameter_tuning, "enable_hyperparameter_tuning is off"),
    Rule(
        ("budget", "rounds", "language_model"), lambda c: c.strategy_name == _ALL, "strategy_name all takes every row"
    ),
    Rule(
        ("backbone_learning_rate", "backbone_lr_range"),
        lambda c: c.freeze_layers == "all",
        "the backbone is not trained",
    ),
)

# What messages call a setting or a command, and what it is called here.
NAMES = {
    "data.path": "dataset_path",
    "data.text_column": "text_column",
    "data.label_column": "label_column",
    "data.val_ratio": "val_ratio",
    "data.test_ratio": "test_ratio",
    "model.encoder": "model_name",
    "model.max_length": "max_length",
    "model.dropout": "dropout",
    "set model.freeze to all or none": "set freeze_layers to all or 0",
    "model.freeze": "freeze_layers",
    "select.strategy": "strategy_name",
    "select.options": "strategy_options",
    "select.budget": "budget",
    "select.rounds": "rounds",
    "select.language_model": "language_model",
    "train.epochs": "epochs",
    "train.batch_size": "batch_size",
    "train.accumulation_steps": "gradient_accumulation_steps",
    "train.learning_rate": "learning_rate",
    "train.encoder_learning_rate": "backbone_learning_rate",
    "train.weight_decay": "weight_decay",
    "train.betas": "betas",
    "tune.trials": "tuning_n_iterations",
    "tune.sample": "tuning_sample_size",
    "tune.epochs": "warmup_epochs",
    "tune.metric": "tuning_metric",
    "tune.dropout": "dropout_range",
    "tune.learning_rate": "lr_range",
    "tune.encoder_learning_rate": "backbone_lr_range",
    "tune.weight_decay": "weight_decay_options",
    "tune.betas": "betas_options",
    "checkpoint.best_by": "save_best_by",
    "track.clearml": "use_clearml",
    "pass the path of one": "'uv run download_dataset' downloads one",
}


def translate(config: Config, file: Path) -> dict[str, Any]:
    """Return the equivalent native settings.

    The run directory is the run's folder of checkpoints: `checkpoints/NAME/best/model.pt` is where the document says,
    with all other output of the run next to it. Paths are relative to the current folder, including the path of the
    TensorBoard files, whatever `--out` is.
    """
    name = config.run_name or re.sub(r"[^\w.\-]", "_", file.stem)
    return {
        "name": name,
        "seed": config.seed,
        "out": str(Path(config.checkpoints_dir) / name),
        "data": {
            "path": config.dataset_path,
            **config.model_dump(include={"text_column", "label_column", "val_ratio", "test_ratio"}),
        },
        "model": {
            "encoder": config.model_name,
            "max_length": config.max_length,
            "dropout": config.dropout,
            "encoder_dropout": config.dropout if _has_backbone_dropout(config) else None,
            "freeze": config.freeze_layers or "none",
        },
        "select": {
            "strategy": config.strategy_name,
            "options": config.strategy_options,
            **config.model_dump(include={"budget", "rounds", "language_model"}),
        },
        "train": {
            "epochs": config.epochs,
            "batch_size": config.batch_size,
            "accumulation_steps": config.gradient_accumulation_steps,
            "learning_rate": config.learning_rate,
            "encoder_learning_rate": config.backbone_learning_rate,
            "weight_decay": config.weight_decay,
            "betas": config.betas,
        },
        "tune": _tune(config) if config.enable_hyperparameter_tuning else None,
        "checkpoint": {
            "dir": ".",
            "best_by": config.save_best_by,
            "keep": 1,
        },  # one for each strategy: many runs fill a disk
        "track": {
            "tensorboard_dir": str(Path(config.log_dir, name).absolute()),
            "clearml": {"project": "data_efficiency"} if config.use_clearml else None,
        },
    }


def _has_backbone_dropout(config: Config) -> bool:
    """Return whether `dropout` is also that of the backbone: not its default, and not of a frozen one."""
    return "dropout" in config.model_fields_set and config.freeze_layers != "all"


def _tune(config: Config) -> dict[str, Any]:
    return {
        "trials": config.tuning_n_iterations,
        "sample": config.tuning_sample_size,
        "epochs": config.warmup_epochs,
        "metric": config.tuning_metric,
        "dropout": config.dropout_range,
        "dropout_of": "model",
        "learning_rate": config.lr_range,
        "encoder_learning_rate": config.backbone_lr_range,
        "weight_decay": config.weight_decay_options,
        "betas": config.betas_options,
    }
