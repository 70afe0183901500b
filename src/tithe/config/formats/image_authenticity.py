"""The documented settings of `image_authenticity`: real and fake photographs, a detector in two sizes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from tithe.config.unused import Rule
from tithe.config.values import Count, PathStr, Positive, Ratio, Section, Seed, Workers


class Config(Section):
    """The documented flags, one key each; those below `device` and the resume flags are additions."""

    data_root: PathStr = Field(description="folder of the images, or the CSV that lists them")
    use_csv: bool = Field(False, description="read the list of images from a CSV")
    epochs: Positive = Field(50, description="passes over the training images; when resuming: additional passes")
    batch_size: Positive = Field(16, description="images per micro-batch")
    lr: float = Field(0.0000125, gt=0, description="peak learning rate; 2e-4 works far better from scratch")
    img_size: Annotated[int, Field(ge=8, le=4096)] = Field(256, description="side of the crops, pixels")
    use_amp: bool = Field(False, description="mixed precision: fp16 on a GPU, bf16 on a CPU that supports it")
    fast_mode: bool = Field(False, description="perceptual and auxiliary branch, 2.5 M parameters; the default")
    full_mode: bool = Field(False, description="perceptual, spectral and statistical branch, 5 M parameters")
    regression_weight: float = Field(1.0, ge=0, description="weight of the squared error of the score")
    classification_weight: float = Field(0.3, ge=0, description="weight of the cross-entropy of real and fake")
    ranking_weight: float = Field(0.2, ge=0, description="weight of the ranking loss, real above fake")
    output_dir: PathStr = Field("./checkpoints", description="folder of the checkpoints, logs and results")
    num_workers: Workers = Field(0, description="processes that read images ahead of training")
    device: Literal["auto", "cpu", "cuda", "mps"] = Field("auto", description="where to train")
    resume: PathStr | None = Field(
        None, description="checkpoint file to resume from, or auto: where this run was stopped"
    )
    reset_lr: bool = Field(False, description="when resuming: use lr instead of the checkpoint's")
    reset_scheduler: bool = Field(False, description="when resuming: restart warmup and schedule")
    gradient_accumulation_steps: Positive = Field(1, description="batches per optimizer step")
    warmup_epochs: Count = Field(5, description="epochs from 0 to lr")
    min_lr: float = Field(0.000001, ge=0, description="learning rate at the end of the cosine")
    weight_decay: float = Field(0.01, ge=0, description="decay of matrices")
    early_stopping_patience: Count = Field(15, description="validations without a better loss before stopping")
    validate_interval: Positive = Field(1, description="epochs between validations")
    save_interval: Positive = Field(1, description="epochs between checkpoint_epoch_N.pt files")
    use_tensorboard: bool = Field(True, description="write TensorBoard files to logs/")
    seed: Seed = Field(
        42, description="seed of the split, the initial weights, the order of batches and the augmentation"
    )
    val_ratio: Ratio = Field(0.1, gt=0, description="share of images for validation, if the data set has no splits")
    test_ratio: Ratio = Field(0.1, description="share of images held out for the test, if the data set has no splits")
    hold_out: list[str] = Field([], description="generators whose images are used only for the test")
    crops: Positive = Field(4, description="crops of an image whose scores are averaged in evaluation")
    augment: Literal["none", "flips", "all"] = Field("all", description="augmentation of training crops")

    @model_validator(mode="after")
    def _one_mode(self) -> Config:
        if self.fast_mode and self.full_mode:
            raise ValueError("fast_mode and full_mode are both on: choose one")
        return self


UNUSED = (Rule(("min_lr",), lambda config: config.min_lr > config.lr, "it is above lr, which stays as it is"),)

# What messages call a setting or a command, and what it is called here.
NAMES = {
    "data.path": "data_root",
    "set data.reader to image_folder": "leave use_csv out",
    "data.val_ratio": "val_ratio",
    "data.test_ratio": "test_ratio",
    "data.hold_out": "hold_out",
    "data.num_workers": "num_workers",
    "images.size": "img_size",
    "images.crops": "crops",
    "images.augment": "augment",
    "images.regression_weight": "regression_weight",
    "images.classification_weight": "classification_weight",
    "images.ranking_weight": "ranking_weight",
    "train.epochs": "epochs",
    "train.batch_size": "batch_size",
    "train.accumulation_steps": "gradient_accumulation_steps",
    "train.learning_rate": "lr",
    "train.weight_decay": "weight_decay",
    "train.warmup_epochs": "warmup_epochs",
    "train.min_learning_rate": "min_lr",
    "set train.precision to no": "leave use_amp out",
    "train.precision": "use_amp",
    "train.validate_every": "validate_interval",
    "train.patience": "early_stopping_patience",
    "train.device": "device",
    "checkpoint.epoch_files": "save_interval",
    "checkpoint.resume": "resume",
    "checkpoint.reset_lr": "reset_lr",
    "checkpoint.reset_schedule": "reset_scheduler",
    "track.tensorboard": "use_tensorboard",
}


def translate(config: Config, file: Path) -> dict[str, Any]:
    """Return the equivalent native settings. Relative paths are relative to the current folder."""
    return {
        "name": "image_authenticity",
        "task": "image",
        "seed": config.seed,
        "out": config.output_dir,
        "data": {
            "path": config.data_root,
            "reader": "image_csv" if config.use_csv else None,
            "val_ratio": config.val_ratio,
            "test_ratio": config.test_ratio,
            "hold_out": config.hold_out,
            "num_workers": config.num_workers,
        },
        "images": {
            "mode": "full" if config.full_mode else "fast",
            "size": config.img_size,
            "crops": config.crops,
            "augment": config.augment,
            "regression_weight": config.regression_weight,
            "classification_weight": config.classification_weight,
            "ranking_weight": config.ranking_weight,
        },
        "train": {
            "epochs": config.epochs,
            "batch_size": config.batch_size,
            "accumulation_steps": config.gradient_accumulation_steps,
            "learning_rate": config.lr,
            "weight_decay": config.weight_decay,
            "schedule": "cosine",
            "warmup_epochs": config.warmup_epochs,
            "min_learning_rate": min(config.min_lr, config.lr),
            "precision": "fp16" if config.use_amp else "no",
            "careful_scaling": True,
            "drop_last": True,
            "validate_every": config.validate_interval,
            "patience": config.early_stopping_patience,
            "log_every_steps": 1,
            "device": config.device,
        },
        "checkpoint": {
            "dir": ".",
            "best_by": "loss",
            "keep": 1,
            "epoch_files": config.save_interval,
            "resume": config.resume,
            "reset_lr": config.reset_lr,
            "reset_schedule": config.reset_scheduler,
        },
        "track": {"tensorboard": config.use_tensorboard, "tensorboard_dir": "logs"},
    }
