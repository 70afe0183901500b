"""A small set of photographs with a fake twin of each, and runs of the documented recipe on it."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from torch import nn

from tithe import config, interrupts, pipeline, storage
from tithe.report.canvas import canvas, png
from tithe.runs.finish import Outcome
from tithe.tasks import image as image_task

PAIRS = 16
# With these, 24 of the 32 images are trained on, and validation has 8: an epoch is three steps of 8.
SMALL: dict[str, Any] = {
    **{"use_csv": True, "epochs": 2, "batch_size": 8, "img_size": 32, "lr": 0.0005, "crops": 1, "augment": "flips"},
    **{"val_ratio": 0.25, "test_ratio": 0.0, "use_tensorboard": False, "device": "cpu"},
}
STEPS = 3


def photograph(number: int, height: int, width: int) -> Any:
    """Shapes under a camera's noise, uint8, like no other."""
    rng = np.random.default_rng(number)
    coarse = rng.integers(0, 256, (6, 6, 3), dtype=np.uint8)
    smooth = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(smooth + rng.normal(0, 8, smooth.shape), 0, 255).astype(np.uint8)


def fake_of(image: Any, generator: str) -> Any:
    """What an upsampler makes of a photograph: its noise is gone, or stands in squares."""
    height, width = image.shape[:2]
    half = cv2.resize(image, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
    way = {"squares": cv2.INTER_NEAREST, "smooth": cv2.INTER_CUBIC}[generator]
    return cv2.resize(half, (width, height), interpolation=way)


def twins(root: Path, pairs: int = PAIRS) -> Path:
    """Write photographs of 48 to 96 pixels, a fake twin of each by one of two generators, and `labels.csv`."""
    rows = []
    for i in range(pairs):
        height, width = np.random.default_rng([7, i]).integers(48, 97, 2)
        real, generator = photograph(i, height, width), ("squares", "smooth")[i % 2]
        for label, image in (("real", real), ("fake", fake_of(real, generator))):
            suffix, options = ("jpg", [cv2.IMWRITE_JPEG_QUALITY, 95]) if i % 4 == 3 else ("png", [])
            path = root / label / f"{i:03}.{suffix}"
            path.parent.mkdir(parents=True, exist_ok=True)
            assert cv2.imwrite(str(path), image, options)
            name = path.relative_to(root).as_posix()
            rows.append({"path": name, "label": label, "generator": generator, "pair_id": f"p{i}"})
    with (root / "labels.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, fieldnames=list(rows[0]))
        table.writeheader()
        table.writerows(rows)
    return root


def documented(root: Path, out: Path, *overrides: str, **flags: Any) -> config.Run:
    """Return the config of the documented flags, small ones where none are given."""
    return config.parse({**SMALL, "data_root": str(root), "output_dir": str(out), **flags}, overrides)


def train(root: Path, out: Path, *overrides: str, **flags: Any) -> Outcome:
    """Run the documented recipe in this process."""
    return pipeline.train(documented(root, out, *overrides, **flags))


def final(home: Path) -> str:
    """Return the hash of the weights after the last step of a run."""
    sha256: str = storage.read_json(home / "metrics.json")["training"]["final_weights_sha256"]
    return sha256


def history(home: Path, kind: str) -> list[dict[str, Any]]:
    """Return the records of a run of one kind."""
    return [line for line in storage.read_lines(home / "history.jsonl") if line["kind"] == kind]


class Little(nn.Module):
    """A detector of a few hundred weights, whose checkpoints are small: like the real one, it draws nothing."""

    def __init__(self, mode: str) -> None:
        super().__init__()
        width = {"fast": 4, "full": 6}[mode]
        self.encoder, self.head = nn.Conv2d(3, width, 5, 2), nn.Linear(width, 3)

    def forward(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        crops_N3HW = batch["images"].flatten(0, -4).float() / 255
        outputs_N3: torch.Tensor = self.head(self.encoder(crops_N3HW).relu().mean((2, 3)))
        return outputs_N3.unflatten(0, (len(batch["images"]), -1)).mean(1)


def with_little_detector(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let runs whose detector is not what is looked at have a small one."""
    # Where it is used: a patch of where it is defined is seen by what is imported after it, and by that for good.
    monkeypatch.setattr(image_task, "Detector", Little)


def without_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw one picture and show it everywhere: in most runs of a test nobody looks at them."""
    blank = png(canvas(1, 1)[0])
    monkeypatch.setattr("tithe.report.canvas.png", lambda figure: blank)


def after(step: int, act: Callable[[], None]) -> type:
    """A stand-in for `interrupts.Asked`, which is read once after every step, its files written: acts after one."""

    class At(interrupts.StopRequest):
        done = 0

        @property
        def signum(self) -> int:
            type(self).done += 1
            if type(self).done == step:
                act()
            return 0

    return At
