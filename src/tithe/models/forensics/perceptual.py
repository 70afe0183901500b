"""The perceptual branch: the image itself, at full resolution."""

from __future__ import annotations

import torch
from torch import nn

from tithe.models.forensics.blocks import Trunk
from tithe.models.forensics.residuals import GRAY_LEVELS


class Perceptual(nn.Module):
    """A residual network that does not downsample before its first stage.

    A stem with a stride would remove the high frequencies in which generators differ from cameras (Gragnaniello et
    al. 2021).
    """

    def __init__(self) -> None:
        super().__init__()
        self.trunk = Trunk(3, 32, ((32, 1), (64, 2), (128, 2), (192, 2)))

    def forward(self, images_B3HW: torch.Tensor) -> torch.Tensor:
        """Return a map of shape (B, 192, ⌈H / 16⌉, ⌈W / 16⌉) for images in [0, 1]."""
        # Odd multiples of 1/128 below 2 have eight significant bits: each of the 256 gray levels survives bf16.
        centred: torch.Tensor = self.trunk((images_B3HW * GRAY_LEVELS - GRAY_LEVELS / 2) / 64)
        return centred
