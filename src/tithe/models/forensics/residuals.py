"""Noise residuals of fixed high-pass filters, in float32: traces of a generator without the image's content.

All functions take images of shape (B, C, H, W) with values in [0, 1] and at least 3 pixels a side, and keep their
size. A residual is a small difference of large numbers that bf16 would round away, so autocast is off here.
"""

from __future__ import annotations

import torch
from torch.nn import functional as F

GRAY_LEVELS = 255.0
CLAMP = 3.0  # gray levels

# Fridrich & Kodovský 2012: predict a pixel from its 5×5 and 3×3 neighbourhood, and from its two horizontal neighbours.
_SQUARE_5 = [[-1, 2, -2, 2, -1], [2, -6, 8, -6, 2], [-2, 8, -12, 8, -2], [2, -6, 8, -6, 2], [-1, 2, -2, 2, -1]]
_SQUARE_3 = [[-1, 2, -1], [2, -4, 2], [-1, 2, -1]]
_LINE = [[1, -2, 1]]
_KERNELS = ((_SQUARE_5, 12), (_SQUARE_3, 4), (_LINE, 2))


def npr(x: torch.Tensor) -> torch.Tensor:
    """Return each pixel minus the upper left one of its 2×2 cell (Tan et al. 2024).

    This is `x − up(down(x))` with nearest neighbours; a generator's last upsampling is visible in the relation of the
    four pixels of a cell.
    """
    height, width = x.shape[-2:]
    coarse = x[..., ::2, ::2]
    return x - coarse.repeat_interleave(2, -2).repeat_interleave(2, -1)[..., :height, :width]


def srm(x: torch.Tensor) -> torch.Tensor:
    """Return three noise residuals of each channel, shape (B, 3C, H, W), clamped to ±3 gray levels, divided by 3.

    The kernels are the three that Zhou et al. 2018 took from the spatial rich model.
    """
    planes = _planes(x)
    kernels = torch.stack([_in_5x5(kernel, divisor, x) for kernel, divisor in _KERNELS])
    with torch.autocast(x.device.type, enabled=False):
        residual = F.conv2d(F.pad(planes, (2, 2, 2, 2), mode="reflect"), kernels * (GRAY_LEVELS / CLAMP))
    return residual.clamp(-1, 1).view(x.shape[0], -1, *x.shape[-2:])


def high_pass(x: torch.Tensor) -> torch.Tensor:
    """Return the residual of the 3×3 kernel of `srm` for each channel, unclamped, in units of x."""
    kernel = torch.tensor(_SQUARE_3, dtype=x.dtype, device=x.device)[None, None] / 4
    with torch.autocast(x.device.type, enabled=False):
        return F.conv2d(F.pad(_planes(x), (1, 1, 1, 1), mode="reflect"), kernel).view(x.shape)


def _planes(x: torch.Tensor) -> torch.Tensor:
    return x.contiguous().view(-1, 1, *x.shape[-2:])


def _in_5x5(kernel: list[list[int]], divisor: int, like: torch.Tensor) -> torch.Tensor:
    values = torch.tensor(kernel, dtype=like.dtype, device=like.device)[None] / divisor
    rows, columns = ((5 - size) // 2 for size in values.shape[-2:])
    return F.pad(values, (columns, columns, rows, rows))
