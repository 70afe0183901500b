"""Occlusion heat maps of a fake detector: how its score changes when a part of the photograph is blurred.

Occlusion works for any architecture (Zeiler and Fergus 2014). A grey patch would add edges that no camera produces,
and a detector of traces would react to them. A blurred patch keeps the content and removes the traces. The map is
relative to blurring: if the detector takes smoothness itself for a trace, a blurred patch adds one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize
from torch import nn

from tithe.arrays import Array
from tithe.console import printable
from tithe.errors import InputError
from tithe.imaging import Pixels, crops
from tithe.models import inference
from tithe.predict import TrainedModel
from tithe.predict.images import named_files, read
from tithe.progress import bar
from tithe.report.canvas import panels, save, set_title
from tithe.report.palette import FAKE, REAL
from tithe.tasks import ImageTask

# Log-odds of the score: at the limit a color is full; where no region changes it by more than the least, by at most 2.5
# points of a probability, none matters.
LIMIT, LEAST = 2.0, 0.1
NOTHING = "no region matters"

_TONES = LinearSegmentedColormap.from_list("fake_to_real", [FAKE, "white", REAL])


def occlusion(model: nn.Module, image_HW3: Array, patch: int = 32, stride: int = 16, batch: int = 32) -> Array:
    """Return how much each pixel's surroundings contribute to the score logit.

    Parameters
    ----------
    model
        Maps `{"images": uint8 (B, 3, H, W)}` to outputs (B, 3), the score logit first, high for real.
    image_HW3
        uint8, RGB, shape (H, W, 3). Each patch costs one forward pass: crop large images.
    patch, stride
        Side of a blurred patch, and distance between neighbouring ones, in pixels; the last ones end at the border.
    batch
        Patches per forward pass; affects only memory and speed.

    Returns
    -------
    Mean of (logit of the image − logit with a patch blurred) over the patches that contain a pixel, float32, shape
    (H, W): positive where the image looks real, negative where it looks fake.

    Raises
    ------
    InputError
        Wrong dtype or shape of the image, or a stride that leaves gaps between patches.
    """
    if image_HW3.dtype != np.uint8 or image_HW3.ndim != 3 or image_HW3.shape[2] != 3:
        raise InputError(f"image of {image_HW3.dtype} and shape {image_HW3.shape}: pass uint8 of shape (H, W, 3)")
    if not 1 <= stride <= patch or batch < 1:
        raise InputError(
            f"patch {patch}, stride {stride}, batch {batch}: choose 1 ≤ stride ≤ patch, and a batch of at least 1"
        )
    height, width = image_HW3.shape[:2]
    corners = [(top, left) for top in _starts(height, patch, stride) for left in _starts(width, patch, stride)]
    patches = [(slice(top, top + patch), slice(left, left + patch)) for top, left in corners]
    image_3HW = torch.from_numpy(np.ascontiguousarray(image_HW3.transpose(2, 0, 1)))
    blurred_3HW = _blurred(image_3HW, patch)
    with inference.evaluating(model), torch.inference_mode():
        original = _score_logits(model, image_3HW[None])
        logits = [
            _score_logits(model, _occluded(image_3HW, blurred_3HW, patches[first : first + batch]))
            for first in range(0, len(patches), batch)
        ]
    sums_HW, counts_HW = np.zeros((height, width)), np.zeros((height, width))
    for place, change in zip(patches, original - np.concatenate(logits), strict=True):
        sums_HW[place] += change
        counts_HW[place] += 1
    return (sums_HW / counts_HW).astype(np.float32)


class HeatMap(NamedTuple):
    """The path of an image as shown, and the file of its heat map, or the reason why the image could not be read."""

    path: str
    heat_map: str | None = None
    reason: str | None = None


def draw(trained: TrainedModel, sources: Sequence[Path], folder: Path) -> Iterator[HeatMap]:
    """Write the heat map of the centre of each image of each source into a folder; yield them in order.

    Raises
    ------
    InputError
        A source contains no files.
    """
    assert isinstance(trained.task, ImageTask)
    named, settings = named_files(sources), trained.run.images
    folder.mkdir(parents=True, exist_ok=True)
    with bar("explaining", len(named), "images") as tick:
        for number, (path, name) in enumerate(named, start=1):
            image = read(path, settings.max_pixels)
            if isinstance(image, str):
                yield HeatMap(name, reason=image)
            else:
                score = float(trained.batch_probabilities(trained.task.batch([image]))[0, 1])
                crop_HW3 = crops.even(image, settings.size, 1)[0]
                file = folder / f"heat_{number}.png"
                overlay(
                    file, crop_HW3, occlusion(trained.model, crop_HW3), f"{printable(path.name)}: score {score:.3f}"
                )
                yield HeatMap(name, str(file))
            tick(1)


def _starts(side: int, patch: int, stride: int) -> list[int]:
    """Return where patches start along a side, so that they cover it to its end; a short side has one patch."""
    last = max(0, side - patch)
    return [*range(0, last, stride), last]


def _blurred(image_3HW: torch.Tensor, patch: int) -> torch.Tensor:
    """Return the box blur of an image, with a window as wide as a patch; pixels beyond the border don't count."""
    radius = patch // 2
    mean_3HW = image_3HW.double()
    for radius_2 in ((radius, 0), (0, radius)):  # separable: the same result, far cheaper
        window_2 = tuple(2 * r + 1 for r in radius_2)
        mean_3HW = nn.functional.avg_pool2d(mean_3HW, window_2, 1, radius_2, count_include_pad=False)
    return mean_3HW.round().to(torch.uint8)


def _occluded(image_3HW: torch.Tensor, blurred_3HW: torch.Tensor, patches: list[tuple[slice, slice]]) -> torch.Tensor:
    images_B3HW = image_3HW.repeat(len(patches), 1, 1, 1)
    for image, (rows, columns) in zip(images_B3HW, patches, strict=True):
        image[:, rows, columns] = blurred_3HW[:, rows, columns]
    return images_B3HW


def _score_logits(model: nn.Module, images_B3HW: torch.Tensor) -> Array:
    device = next(model.parameters()).device
    logits_B: Array = model({"images": images_B3HW.to(device)})[:, 0].double().cpu().numpy()
    return logits_B


def matters(heat_HW: Array) -> bool:
    """Return whether any region of a heat map matters."""
    return bool(np.abs(heat_HW).max() >= LEAST)


def tinted(image_HW3: Array, heat_HW: Array) -> Pixels:
    """Return a photograph in grey, tinted blue where it looks real and orange where it looks fake.

    The colors are those of one absolute scale, so that pictures compare: a photograph of which no region matters stays
    grey.
    """
    tones_HW3 = _TONES(Normalize(-LIMIT, LIMIT, clip=True)(heat_HW))[..., :3] * 255
    # The stronger the contribution, the more its color covers the photograph.
    strength_HW1 = 0.8 * np.sqrt(np.minimum(np.abs(heat_HW) / LIMIT, 1.0))[..., None]
    strength_HW1 = np.where(matters(heat_HW), strength_HW1, 0.0)
    grey_HW1 = image_HW3.mean(axis=2, keepdims=True)
    shown_HW3: Pixels = np.rint(grey_HW1 * (1 - strength_HW1) + tones_HW3 * strength_HW1).astype(np.uint8)
    return shown_HW3


def overlay(path: Path, image_HW3: Array, heat_HW: Array, title: str) -> None:
    """Write a PNG of a photograph next to its heat map: blue looks real, orange looks fake."""
    tall = min(3.0, max(0.3, image_HW3.shape[0] / image_HW3.shape[1]))
    figure, (left, right) = panels(8.6, 0.7 + 3.7 * tall, columns=2)
    left.imshow(image_HW3)
    right.imshow(tinted(image_HW3, heat_HW))
    for axes in (left, right):
        axes.set_axis_off()
    tones = ScalarMappable(Normalize(-LIMIT, LIMIT), _TONES)
    scale = figure.colorbar(tones, ax=right, fraction=0.046, pad=0.03)
    scale.set_label("fake  ←  score logit  →  real", fontsize=9)
    scale.ax.tick_params(labelsize=9)
    set_title(left, title)
    if not matters(heat_HW):
        set_title(right, NOTHING)
    save(figure, path)
