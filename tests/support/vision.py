"""Small encoders of images of the real classes with random weights, as model folders, and runs of detectors on them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from transformers import (
    CLIPConfig,
    CLIPModel,
    CLIPVisionConfig,
    CLIPVisionModel,
    ConvNextConfig,
    ConvNextModel,
    Dinov2Config,
    Dinov2Model,
    SiglipConfig,
    SiglipModel,
    ViTMAEConfig,
    ViTMAEModel,
)

from support.photographs import SMALL
from tithe import config, pipeline
from tithe.runs.finish import Outcome

SIDE, MEAN, DEVIATION = 32, [0.5, 0.4, 0.3], [0.2, 0.3, 0.4]
_SIZES: dict[str, Any] = {
    **{"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2},
}
_EYE: dict[str, Any] = {**_SIZES, "image_size": SIDE, "patch_size": 8}
_WORDS = {**_SIZES, "vocab_size": 20}

FAMILIES: dict[str, Callable[[], Any]] = {
    "clip": lambda: CLIPModel(CLIPConfig(text_config=_WORDS, vision_config=_EYE, projection_dim=8)),
    "clip_vision": lambda: CLIPVisionModel(CLIPVisionConfig(**_EYE)),
    "siglip": lambda: SiglipModel(SiglipConfig(text_config=_WORDS, vision_config=_EYE)),
    "dinov2": lambda: Dinov2Model(Dinov2Config(**_EYE)),
    "convnext": lambda: ConvNextModel(ConvNextConfig(depths=[1, 1, 1], hidden_sizes=[8, 12, 16], num_stages=3)),
    "vit_mae": lambda: ViTMAEModel(ViTMAEConfig(**_EYE)),
}


def folder(root: Path, family: str = "clip_vision", seed: int = 0) -> Path:
    """Write an encoder of a family with its preprocessing; another seed makes another build of it."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        FAMILIES[family]().save_pretrained(root)
    square = {"height": SIDE, "width": SIDE}
    written = {"size": {"shortest_edge": SIDE}, "crop_size": square, "image_mean": MEAN, "image_std": DEVIATION}
    (root / "preprocessor_config.json").write_text(json.dumps(written))
    return root


def settings(data: Path, source: Path, out: Path, **images: Any) -> config.Run:
    """Return the config of a small run on a folder of photographs."""
    return config.parse(
        {
            "task": "image",
            "out": str(out),
            "data": {"path": str(data / "labels.csv"), "val_ratio": SMALL["val_ratio"], "test_ratio": 0.25},
            "images": {"mode": "foundation", "encoder": str(source), "crops": 2, **images},
            "train": {"epochs": 2, "batch_size": 8, "learning_rate": 0.05, "device": "cpu"},
            "checkpoint": {"best_by": "loss"},
            "track": {"tensorboard": False},
        }
    )


def train(data: Path, source: Path, out: Path, **images: Any) -> Outcome:
    """Run it in this process."""
    return pipeline.train(settings(data, source, out, **images))
