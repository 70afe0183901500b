"""Where a detector of fakes looks: what becomes of its score when a part of the photograph is blurred.

Occlusion asks the whole model a question that it can answer, whatever it is made of (Zeiler and Fergus 2014). A grey
patch would bring edges that no camera makes, and a detector of traces would see those; a blurred one keeps what is
shown, and loses the traces. What the map says is relative to that: a detector that takes smoothness itself for a trace
finds one more.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure
from torch import nn

from tithe.arrays import Array
from tithe.errors import InputError
from tithe.models import inference
from tithe.report.canvas import FAKE, REAL, save

_TONES = LinearSegmentedColormap.from_list("speaks", [FAKE, "#ffffff", REAL])


def occlusion(model: nn.Module, image_HW3: Array, patch: int = 32, stride: int = 16, batch: int = 32) -> Array:
    """Return what each pixel's surroundings add to the score logit.

    Parameters
    ----------
    model
        Maps `{"images": uint8 (B, 3, H, W)}` to outputs (B, 3), the score logit first, high for real.
    image_HW3
        uint8, RGB, shape (H, W, 3). The cost is a forward pass of it for each patch: crop large ones.
    patch, stride
        The side of a blurred patch, and the distance from one to the next, in pixels; the last ones end at the border.
    batch
        Patches tried in one forward pass, for memory and speed alone.

    Returns
    -------
    Mean of (logit of the image − logit with a patch blurred) over the patches that a pixel lies in, float32, shape
    (H, W): positive where the image speaks for real, negative where for fake.

    Raises
    ------
    InputError
        The image is not of this kind, or a stride leaves gaps between patches.
    """
    if image_HW3.dtype != np.uint8 or image_HW3.ndim != 3 or image_HW3.shape[2] != 3:
        raise InputError(f"an image of {image_HW3.dtype} and shape {image_HW3.shape}: give uint8 of shape (H, W, 3)")
    if not 1 <= stride <= patch or batch < 1:
        raise InputError(
            f"patch {patch}, stride {stride}, batch {batch}: choose 1 ≤ stride ≤ patch, and a batch from 1"
        )
    height, width = image_HW3.shape[:2]
    corners = [(top, left) for top in _starts(height, patch, stride) for left in _starts(width, patch, stride)]
    places = [(slice(top, top + patch), slice(left, left + patch)) for top, left in corners]
    image_3HW = torch.from_numpy(np.ascontiguousarray(image_HW3.transpose(2, 0, 1)))
    blurred_3HW = _blurred(image_3HW, patch)
    with inference.evaluating(model), torch.inference_mode():
        whole = _score_logits(model, image_3HW[None])
        logits = [
            _score_logits(model, _occluded(image_3HW, blurred_3HW, places[first : first + batch]))
            for first in range(0, len(places), batch)
        ]
    sums_HW, times_HW = np.zeros((height, width)), np.zeros((height, width))
    for place, change in zip(places, whole - np.concatenate(logits), strict=True):
        sums_HW[place] += change
        times_HW[place] += 1
    return (sums_HW / times_HW).astype(np.float32)


def _starts(side: int, patch: int, stride: int) -> list[int]:
    """Return where patches begin along a side, so that they reach its end; a short side has one."""
    last = max(0, side - patch)
    return [*range(0, last, stride), last]


def _blurred(image_3HW: torch.Tensor, patch: int) -> torch.Tensor:
    """Return the mean of a square as wide as a patch around each pixel; beyond the border there is nothing."""
    reach = patch // 2
    mean_3HW = image_3HW.double()
    for reach_2 in ((reach, 0), (0, reach)):  # one side after the other: the same, and far cheaper
        window_2 = tuple(2 * r + 1 for r in reach_2)
        mean_3HW = nn.functional.avg_pool2d(mean_3HW, window_2, 1, reach_2, count_include_pad=False)
    return mean_3HW.round().to(torch.uint8)


def _occluded(image_3HW: torch.Tensor, blurred_3HW: torch.Tensor, places: list[tuple[slice, slice]]) -> torch.Tensor:
    images_B3HW = image_3HW.repeat(len(places), 1, 1, 1)
    for image, (rows, columns) in zip(images_B3HW, places, strict=True):
        image[:, rows, columns] = blurred_3HW[:, rows, columns]
    return images_B3HW


def _score_logits(model: nn.Module, images_B3HW: torch.Tensor) -> Array:
    device = next(model.parameters()).device
    logits_B: Array = model({"images": images_B3HW.to(device)})[:, 0].double().cpu().numpy()
    return logits_B


def overlay(path: Path, image_HW3: Array, heat_HW: Array, title: str) -> None:
    """Draw a photograph, and beside it what of it speaks for real (blue) and for fake (orange), as a PNG."""
    tall = min(3.0, max(0.3, image_HW3.shape[0] / image_HW3.shape[1]))
    figure = Figure(figsize=(8.6, 0.7 + 3.7 * tall), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    left.imshow(image_HW3)
    most = float(np.abs(heat_HW).max()) or 1.0
    right.imshow(image_HW3.mean(axis=2), cmap="gray", vmin=0, vmax=255)
    # Where nothing speaks, the photograph shows; where much does, its colour covers it.
    strength_HW = 0.8 * np.sqrt(np.abs(heat_HW) / most)
    right.imshow(heat_HW, cmap=_TONES, vmin=-most, vmax=most, alpha=strength_HW)
    for axes in (left, right):
        axes.set_axis_off()
    tones = ScalarMappable(Normalize(-most, most), _TONES)
    scale = figure.colorbar(tones, ax=right, fraction=0.046, pad=0.03)
    scale.set_label("fake  ←  score logit  →  real", fontsize=9)
    scale.ax.tick_params(labelsize=9)
    left.set_title(title, fontsize=11, loc="left", parse_math=False)
    save(figure, path)
