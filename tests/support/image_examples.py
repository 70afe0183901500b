"""Photographs as examples of the image task, and their pixels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from support.photographs import documented
from tithe import plugins
from tithe.models.photographs import ImageExamples
from tithe.tasks import image

ROWS = np.arange(8)


def task_of(root: Path, *overrides: str, **flags: Any) -> image.Image:
    return plugins.load("tasks", "image").open(documented(root, root / "out", *overrides, **flags))


def examples_of(root: Path, *overrides: str, **flags: Any) -> ImageExamples:
    task = task_of(root, *overrides, **flags)
    return task.encode(task.load_labelled()[0])


def pixels(examples: ImageExamples, rows: np.ndarray = ROWS) -> np.ndarray:
    return examples.collate(rows)["images"].numpy()
