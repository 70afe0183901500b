"""The config of a run as it is carried out: where it says `auto`, what was decided."""

from __future__ import annotations

from typing import Any

from tithe import config
from tithe.config.schema import AUTO
from tithe.models import kernels
from tithe.models.classifier import Classifier
from tithe.runs.resume import ResumePoint
from tithe.train.setup import Setup


def resolve(setup: Setup, point: ResumePoint | None) -> config.Run:
    """Return a run's config with pooling, attention, precision, device and the checkpoint it continues from."""
    run, accelerator, network = setup.run, setup.accelerator, setup.network.classifier
    decided: dict[str, dict[str, Any]] = {
        "train": {"precision": accelerator.mixed_precision, "device": accelerator.device.type},
        "checkpoint": {"resume": str(point.path) if point else None},
    }
    if isinstance(network, Classifier):
        decided["model"] = {"pooling": network.pooling, "attention": kernels.attention_of(network.encoder)}
    return run.model_copy(update={name: _decided(getattr(run, name), values) for name, values in decided.items()})


def _decided(section: config.Section, values: dict[str, Any]) -> config.Section:
    return section.model_copy(update={key: new for key, new in values.items() if getattr(section, key) == AUTO})
