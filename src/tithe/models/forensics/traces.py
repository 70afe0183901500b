"""The auxiliary branch of the fast mode: traces of upsampling and of noise."""

from __future__ import annotations

import torch
from torch import nn

from tithe.models.forensics.blocks import Trunk
from tithe.models.forensics.residuals import GRAY_LEVELS, npr, srm


class Traces(nn.Module):
    """A residual network on 12 planes: one NPR residual and three SRM residuals of each color channel."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = Trunk(12, 24, ((24, 1), (48, 1), (96, 1), (128, 1)))

    def forward(self, images_B3HW: torch.Tensor) -> torch.Tensor:
        """Return a map of shape (B, 192, ⌈H / 16⌉, ⌈W / 16⌉) for images in [0, 1]."""
        # Neighbours differ by a few gray levels: in units of eight both kinds of residual have the same scale.
        planes = torch.cat([npr(images_B3HW) * (GRAY_LEVELS / 8), srm(images_B3HW)], dim=1)
        out: torch.Tensor = self.trunk(planes)
        return out
