"""Small encoders, frozen as asked for, and the names of what is frozen in them."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from support.text_tasks import opened
from tithe.models.classifier import Classifier

# What `freeze: N` means in each of the two, by the names of their parameters.
FIRST = {
    "tiny_bert": ("encoder.embeddings.", "encoder.encoder.layer.{}."),
    "tiny_modernbert": ("encoder.embeddings.", "encoder.layers.{}."),
}


def frozen_prefixes(name: str, layers: int) -> tuple[str, ...]:
    embeddings, layer = FIRST[name]
    return (embeddings, *(layer.format(i) for i in range(layers)))


def built(folder: Path, **model: object) -> Classifier:
    return opened(folder, **model).build(2, seed=0)


def trainable(model: nn.Module) -> set[str]:
    return {name for name, p in model.named_parameters() if p.requires_grad}
