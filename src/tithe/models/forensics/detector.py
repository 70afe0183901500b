"""The detector of generated images: from branches to a vector of 192 numbers, a score and two logits."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import nn
from torch.nn import functional as F

from tithe.errors import InputError
from tithe.models.forensics.blocks import WIDTH
from tithe.models.forensics.fusion import CrossAttention, SelfAttention, tokens
from tithe.models.forensics.perceptual import Perceptual
from tithe.models.forensics.residuals import GRAY_LEVELS
from tithe.models.forensics.spectral import Spectral
from tithe.models.forensics.statistical import Statistical
from tithe.models.forensics.traces import Traces

LEAST_SIDE = 8  # pixels
_INNER = 128


class Fast(nn.Module):
    """The sum of the perceptual branch and the traces, each averaged over the image."""

    def __init__(self) -> None:
        super().__init__()
        self.perceptual, self.traces = Perceptual(), Traces()

    def forward(self, images_B3HW: torch.Tensor) -> torch.Tensor:
        """Return vectors, shape (B, 192), for images in [0, 1]."""
        maps = self.perceptual(images_B3HW), self.traces(images_B3HW)
        return torch.stack([map_BDHW.mean((2, 3), dtype=torch.float32) for map_BDHW in maps]).sum(0)


class Full(nn.Module):
    """The perceptual, spectral and statistical branches, which attend to each other."""

    def __init__(self) -> None:
        super().__init__()
        self.perceptual, self.spectral, self.statistical = Perceptual(), Spectral(), Statistical()
        self.cross, self.fused = CrossAttention(), SelfAttention()

    def forward(self, images_B3HW: torch.Tensor) -> torch.Tensor:
        """Return vectors, shape (B, 192), for images in [0, 1]."""
        branches = [tokens(self.perceptual(images_B3HW))]
        for branch in (self.spectral, self.statistical):
            map_BDHW, more_BTD = branch(images_B3HW)
            branches.append(torch.cat([tokens(map_BDHW), more_BTD], dim=1))
        vectors: torch.Tensor = self.fused(self.cross(*branches))
        return vectors


class Detector(nn.Module):
    """Classifies images as real (label 1) or as generated or edited (label 0).

    Images may have any size from 8×8 pixels, and are never resized. The score of an image is the sigmoid of the first
    output. The network is deterministic, and no image's result depends on the others in its batch.

    Parameters
    ----------
    mode
        `fast`: perceptual branch and traces; `full`: perceptual, spectral and statistical branches with attention.

    Raises
    ------
    InputError
        No such mode.
    """

    def __init__(self, mode: Literal["fast", "full"]) -> None:
        super().__init__()
        if mode not in ("fast", "full"):
            raise InputError(f"the detector has no mode '{mode}': choose fast or full")
        self.encoder = Fast() if mode == "fast" else Full()
        self.head = nn.Sequential(nn.LayerNorm(WIDTH), nn.Linear(WIDTH, _INNER), nn.GELU(), nn.Linear(_INNER, 3))

    def embed(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        """Return the vectors before the head, shape (B, 192), float32; the mean of an image's crops.

        Raises
        ------
        InputError
            As `forward`.
        """
        return self._vectors(batch["images"]).mean(1)

    def forward(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        """Return the score's logit and the logits of fake and real, shape (B, 3), float32.

        Parameters
        ----------
        batch
            `images`, shape (B, 3, H, W), or (B, K, 3, H, W) for K crops of each image; uint8, or floats in [0, 1].
            For crops, scores and class probabilities are averaged: the outputs are then the logit of the mean score
            and the logarithms of the mean probabilities.

        Raises
        ------
        InputError
            Images of another shape or type, or smaller than 8×8 pixels.
        """
        vectors_BKD = self._vectors(batch["images"])
        with torch.autocast(
            vectors_BKD.device.type, enabled=False
        ):  # bf16 would round different scores to the same value
            outputs_BK3: torch.Tensor = self.head(vectors_BKD)
        return outputs_BK3[:, 0] if batch["images"].ndim == 4 else averaged(outputs_BK3)

    def _vectors(self, images: torch.Tensor) -> torch.Tensor:
        _check(images)
        unit = images.float() / GRAY_LEVELS if images.dtype == torch.uint8 else images.float()
        vectors: torch.Tensor = self.encoder(unit.reshape(-1, *images.shape[-3:]))
        return vectors.view(images.shape[0], -1, WIDTH)  # `len` would be a constant of an exported graph


def _check(images: torch.Tensor) -> None:
    shape = tuple(images.shape)
    if len(shape) not in (4, 5) or shape[-3] != 3 or min(shape[-2:]) < LEAST_SIDE:
        raise InputError(
            f"the detector does not take images of shape {shape}: pass (B, 3, H, W) or (B, K, 3, H, W) with H and W of "
            f"{LEAST_SIDE} or more"
        )
    if images.dtype != torch.uint8 and not images.is_floating_point():
        raise InputError(f"the detector does not take images of {images.dtype}: pass uint8, or floats in [0, 1]")


def averaged(outputs_BK3: torch.Tensor) -> torch.Tensor:
    """Return the logit of the mean score and the logarithms of the mean class probabilities, shape (B, 3).

    All in log space, so that a score that rounds to 0 or 1 keeps its logit.
    """
    logit_BK, classes_BK2 = outputs_BK3[..., 0], outputs_BK3[..., 1:]
    real_B, fake_B = (F.logsigmoid(sign * logit_BK).logsumexp(1) for sign in (1, -1))
    classes_B2 = F.log_softmax(classes_BK2, dim=2).logsumexp(1) - math.log(outputs_BK3.shape[1])
    return torch.cat([(real_B - fake_B)[:, None], classes_B2], dim=1)
