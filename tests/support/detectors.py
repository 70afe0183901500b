"""Detectors of generated images with seeded weights, images to judge, and the weights of their loss."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch.nn import functional as F

from tithe.models.forensics import residuals
from tithe.models.forensics.detector import Detector

GRAY = 1 / residuals.GRAY_LEVELS


def built(mode: Any, seed: int = 0) -> Detector:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Detector(mode)


def images(*shape: int, seed: int = 0) -> torch.Tensor:
    """Bytes with neighbours alike: a coarse grid, enlarged, and a little noise."""
    generator = torch.Generator().manual_seed(seed)
    *many, height, width = shape
    coarse = torch.rand(math.prod(many[:-1]), 3, height // 4 + 1, width // 4 + 1, generator=generator)
    smooth = F.interpolate(coarse, size=(height, width), mode="bilinear") * 240
    noise = torch.rand(smooth.shape, generator=generator) * 15
    return (smooth + noise).to(torch.uint8).view(*shape)


WEIGHTS = {"regression": 1.0, "classification": 0.3, "ranking": 0.2}
