"""The statistical branch: a residual network on noise residuals, and three tokens of their statistics."""

from __future__ import annotations

import torch
from torch import nn
from torch.linalg import vecdot
from torch.nn import functional as F

from tithe.models.forensics.blocks import WIDTH, Trunk
from tithe.models.forensics.residuals import srm

BINS = 16
# Rows down and columns to the right: neighbours, and the periods of 2× and 4× upsampling.
LAGS = ((0, 1), (0, 2), (0, 4), (1, 0), (2, 0), (4, 0), (1, 1), (1, -1))
_PLANES = 12
# Of values in [-1, 1]: 8-bit quantisation alone has five times this variance.
_LEAST_VARIANCE = 1e-6


class Statistical(nn.Module):
    """The color channels and three SRM residuals of each: a map, and tokens of histograms, covariances and moments."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = Trunk(_PLANES, 24, ((24, 1), (48, 1), (96, 1), (160, 1)))
        self.histograms, self.covariances, self.moments = map(_token, (BINS, len(LAGS), 4))

    def forward(self, images_B3HW: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return a map of shape (B, 192, ⌈H / 16⌉, ⌈W / 16⌉) and tokens (B, 3, 192) for images in [0, 1]."""
        planes = torch.cat([images_B3HW * 2 - 1, srm(images_B3HW)], dim=1)
        with torch.autocast(planes.device.type, enabled=False):  # sums over all pixels
            statistics = soft_histograms(planes), lag_covariances(planes), moments(planes)
        layers = self.histograms, self.covariances, self.moments
        tokens = [layer(value.flatten(1)) for layer, value in zip(layers, statistics, strict=True)]
        return self.trunk(planes), torch.stack(tokens, dim=1)


def _token(values: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(_PLANES * values, WIDTH), nn.GELU(), nn.Linear(WIDTH, WIDTH))


def soft_histograms(x_BCHW: torch.Tensor) -> torch.Tensor:
    """Return histograms with 16 bin centres from -1 to 1, shape (B, C, 16), with a mean of 1.

    A value between two centres is shared between both by distance, so that the histogram has a gradient.
    """
    position_BCN = (x_BCHW.flatten(2) + 1) * ((BINS - 1) / 2)
    left_BCN = position_BCN.detach().long().clamp(0, BINS - 2)
    share_BCN = position_BCN - left_BCN
    empty = x_BCHW.new_zeros(*x_BCHW.shape[:2], BINS)
    counts = empty.scatter_add(2, left_BCN, 1 - share_BCN).scatter_add(2, left_BCN + 1, share_BCN)
    return counts * (BINS / position_BCN.shape[2])


def lag_covariances(x_BCHW: torch.Tensor) -> torch.Tensor:
    """Return covariances of pixels at a distance of each of `LAGS`, divided by the variance, shape (B, C, 8)."""
    height, width = x_BCHW.shape[-2:]
    centred_BCHW = x_BCHW - x_BCHW.mean((2, 3), keepdim=True)
    # With zeros after each row, a lag is one offset into the flat plane, and its sum the product of two views.
    margin = max(across for _, across in LAGS)
    flat_BCN = F.pad(centred_BCHW, (0, margin)).flatten(2)
    variance_BC: torch.Tensor = vecdot(flat_BCN, flat_BCN) / (height * width) + _LEAST_VARIANCE
    covariances: list[torch.Tensor] = []
    for down, across in LAGS:
        offset = down * (width + margin) + across
        sum_BC = vecdot(flat_BCN[..., offset:], flat_BCN[..., :-offset])
        covariances.append(sum_BC / ((height - down) * (width - abs(across))))
    return torch.stack(covariances, dim=2) / variance_BC[..., None]


def moments(x_BCHW: torch.Tensor) -> torch.Tensor:
    """Return mean, logarithm of the deviation, skewness and logarithm of the kurtosis, shape (B, C, 4)."""
    flat_BCN = x_BCHW.flatten(2)
    count, mean_BC = flat_BCN.shape[2], flat_BCN.mean(2)
    centred_BCN = flat_BCN - mean_BC[..., None]
    scale_BC = (vecdot(centred_BCN, centred_BCN) / count + _LEAST_VARIANCE).sqrt()
    square_BCN = centred_BCN.square()
    skewness_BC = vecdot(square_BCN, centred_BCN) / count / scale_BC**3
    kurtosis_BC = vecdot(square_BCN, square_BCN) / count / scale_BC**4
    return torch.stack([mean_BC, scale_BC.log(), skewness_BC.asinh(), kurtosis_BC.log1p()], dim=2)
