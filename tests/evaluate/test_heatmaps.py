"""Where a detector looks, for detectors of which it is known."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from tithe.errors import InputError
from tithe.evaluate import heatmaps

pytestmark = pytest.mark.usefixtures("real_figures")

Array = np.ndarray[Any, np.dtype[Any]]
Images = torch.Tensor


class Reader(nn.Module):
    """A detector whose score logit is a known function of the pixels, float64 (B, 3, H, W) to (B,)."""

    def __init__(self, logit: Callable[[Images], Images]) -> None:
        super().__init__()
        self.logit, self.unused = logit, nn.Parameter(torch.zeros(1))
        self.seen: list[tuple[int, ...]] = []

    def forward(self, batch: dict[str, Images]) -> Images:
        images_B3HW = batch["images"]
        assert images_B3HW.dtype == torch.uint8 and not self.training
        self.seen.append(tuple(images_B3HW.shape))
        logits_B = self.logit(images_B3HW.double())
        return torch.stack([logits_B, torch.zeros_like(logits_B), torch.ones_like(logits_B)], dim=1)


def noise(height: int, width: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def roughness(images: Images) -> Images:
    """The mean step from one pixel to the next in the corner of 16 by 16, which a blur takes away."""
    corner = images[..., :16, :16]
    return (corner[..., 1:] - corner[..., :-1]).abs().mean((1, 2, 3))


@pytest.mark.parametrize("sign", [1, -1])
def test_heat_lies_where_the_detector_looks(sign: int) -> None:
    heat = sign * heatmaps.occlusion(Reader(lambda images: sign * roughness(images)), noise(64, 80), 16, 8)
    assert heat.shape == (64, 80) and heat.dtype == np.float32
    assert (heat[:16, :16] > 0).all()  # roughness speaks for real, or the other way round for fake
    assert (heat[24:] == 0).all() and (heat[:, 24:] == 0).all()  # no patch from there reaches the corner
    assert np.unravel_index(heat.argmax(), heat.shape) < (8, 8)  # where the patch that covers the corner is alone


def test_heat_of_patches_side_by_side_is_worked_by_hand() -> None:
    image = np.zeros((4, 4, 3), dtype=np.uint8)
    image[0, 0] = 90  # blurred by squares of 3 by 3: 90/4 there, 90/6 beside it, 90/9 diagonally, and 0 elsewhere
    heat = heatmaps.occlusion(Reader(lambda images: images.mean(1).sum((1, 2))), image, 2, 2)
    blurred = round(90 / 4) + 2 * round(90 / 6) + round(90 / 9)
    assert heat[:2, :2] == pytest.approx(90 - blurred)
    assert (heat[2:] == 0).all() and (heat[:, 2:] == 0).all()


def test_heat_is_the_mean_over_the_patches_that_a_pixel_lies_in() -> None:
    image = np.zeros((1, 5, 3), dtype=np.uint8)
    image[0, 0] = 90
    heat = heatmaps.occlusion(Reader(lambda images: images[:, 0, 0, 0]), image, 2, 1)
    # The image is one pixel high, so patches begin at columns 0 to 3, and only the first changes what is read.
    assert heat[0].tolist() == [45, 22.5, 0, 0, 0]


def test_changes_of_a_detector_that_adds_up_add_up() -> None:
    image, weights = noise(24, 16), torch.rand(3, 24, 16, generator=torch.Generator().manual_seed(0)).double()
    model = Reader(lambda images: (weights * images).sum((1, 2, 3)) / 100)
    by_patches = heatmaps.occlusion(model, image, 8, 8)[::8, ::8].sum()
    # A window of 9 around each pixel, and only what lies in the image.
    rows = [image[max(0, y - 4) : y + 5].astype(float) for y in range(24)]
    blurred = np.array([[row[:, max(0, x - 4) : x + 5].mean((0, 1)) for x in range(16)] for row in rows])
    difference_3HW = (image - np.round(blurred)).transpose(2, 0, 1)
    assert by_patches == pytest.approx((weights.numpy() * difference_3HW).sum() / 100, rel=1e-5)


@pytest.mark.parametrize("shape", [(1, 1), (8, 40), (33, 17), (16, 16), (20, 7)])
@pytest.mark.parametrize(("patch", "stride"), [(16, 16), (16, 5), (2, 1), (1, 1)])
def test_every_pixel_of_any_image_has_its_heat(shape: tuple[int, int], patch: int, stride: int) -> None:
    heat = heatmaps.occlusion(Reader(lambda images: images.mean((1, 2, 3))), noise(*shape), patch, stride)
    assert heat.shape == shape and np.isfinite(heat).all()


def test_an_image_without_detail_has_no_heat() -> None:
    heat = heatmaps.occlusion(Reader(lambda images: images.mean((1, 2, 3))), np.full((40, 40, 3), 201, np.uint8))
    assert (heat == 0).all()


def test_the_batch_is_a_matter_of_memory_alone() -> None:
    whole, single = Reader(roughness), Reader(roughness)
    image = noise(40, 40)
    assert (heatmaps.occlusion(whole, image, 16, 8) == heatmaps.occlusion(single, image, 16, 8, batch=1)).all()
    assert whole.seen == [(1, 3, 40, 40), (16, 3, 40, 40)] and set(single.seen) == {(1, 3, 40, 40)}


def test_model_image_and_random_state_are_left_as_they_were() -> None:
    model, image = Reader(roughness), noise(40, 40)
    model.train()
    state, before = torch.get_rng_state(), image.copy()
    image.flags.writeable = False
    first = heatmaps.occlusion(model, np.flip(image, axis=1), 16, 8)  # a view with strides of its own
    assert model.training and (torch.get_rng_state() == state).all() and (image == before).all()
    assert (first == heatmaps.occlusion(model, np.flip(image, axis=1).copy(), 16, 8)).all()


BAD: list[tuple[Array, dict[str, int], str]] = [
    (np.zeros((8, 8, 3)), {}, "image of float64 and shape (8, 8, 3): pass uint8 of shape (H, W, 3)"),
    (np.zeros((3, 8, 8), np.uint8), {}, "image of uint8 and shape (3, 8, 8)"),
    (np.zeros((8, 8), np.uint8), {}, "image of uint8 and shape (8, 8)"),
    (noise(8, 8), {"patch": 4, "stride": 5}, "patch 4, stride 5, batch 32: choose 1 ≤ stride ≤ patch"),
    (noise(8, 8), {"stride": 0}, "patch 32, stride 0, batch 32"),
    (noise(8, 8), {"batch": 0}, "patch 32, stride 16, batch 0"),
]


@pytest.mark.parametrize(("image", "settings", "says"), BAD)
def test_bad_input_is_refused(image: Array, settings: dict[str, int], says: str) -> None:
    with pytest.raises(InputError) as caught:
        heatmaps.occlusion(Reader(roughness), image, **settings)
    assert says in str(caught.value) and "\n" not in str(caught.value)


SHAPES = [(40, 40), (10, 200), (200, 10), (8, 8)]


@pytest.mark.parametrize("shape", SHAPES)
def test_the_picture_is_grey_but_for_the_heat(tmp_path: Path, shape: tuple[int, int]) -> None:
    heat = np.zeros(shape, dtype=np.float32)
    image = np.full((*shape, 3), 128, dtype=np.uint8)
    heatmaps.overlay(tmp_path / "none.png", image, heat, r"real, $\frac$")
    heat[: shape[0] // 2], heat[shape[0] // 2 :] = 1, -1
    heatmaps.overlay(tmp_path / "both.png", image, heat, "fake, scored 0.1")
    left, right = (counted(tmp_path / name) for name in ("none.png", "both.png"))
    assert right["blue"] > 2 * left["blue"] and right["orange"] > 2 * left["orange"]  # the scale has both always


def test_the_scale_is_absolute_and_what_does_not_matter_is_grey() -> None:
    image, heat = noise(40, 40), np.zeros((40, 40), np.float32)
    grey = np.rint(image.mean(axis=2, keepdims=True)).astype(np.uint8)
    heat[:20], heat[20:] = 0.09, -0.09
    assert not heatmaps.matters(heat) and (heatmaps.tinted(image, heat) == grey).all()
    weak, strong, full = (
        heatmaps.tinted(np.full((40, 40, 3), 128, np.uint8), np.full((40, 40), value, np.float32))[0, 0].astype(int)
        for value in (0.2, 1.0, 2.0)
    )
    blue = [int(pixel[2] - pixel[0]) for pixel in (weak, strong, full)]
    assert 0 < blue[0] < blue[1] < blue[2]
    beyond = heatmaps.tinted(np.full((40, 40, 3), 128, np.uint8), np.full((40, 40), 9.0, np.float32))
    assert beyond[0, 0].tolist() == full.tolist()


def counted(path: Path) -> dict[str, int]:
    """Count the pixels in which blue or red stands out."""
    with Image.open(path) as picture:
        assert picture.format == "PNG" and all(100 <= side <= 3000 for side in picture.size)
        red, _, blue = np.asarray(picture.convert("RGB")).astype(int).transpose(2, 0, 1)
    return {"blue": int((blue - red > 40).sum()), "orange": int((red - blue > 40).sum())}
