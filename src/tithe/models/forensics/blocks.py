"""Residual trunks: from planes of pixels to a map of 192 channels (He et al. 2016), normalised by groups."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

WIDTH = 192
_GROUPS = 8
_EPSILON = 1e-5


class _Normalised(torch.autograd.Function):
    """Group normalisation with a backward pass for maps in channels-last format.

    Convolutions on a CPU are fastest in that format, PyTorch's own backward pass of the norm is slow in it: for four
    maps of 32×256×256 on one core it took 23 ms in float32 and 62 ms in bf16, this one 13 and 8.
    """

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, weight_C: torch.Tensor, bias_C: torch.Tensor) -> torch.Tensor:
        b, c, h, w = x.shape
        out, mean_BG, rstd_BG = torch.native_group_norm(x, weight_C, bias_C, b, c, h * w, _GROUPS, _EPSILON)
        ctx.save_for_backward(x, weight_C, mean_BG, rstd_BG)
        return out

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        saved: tuple[torch.Tensor, ...] = ctx.saved_tensors
        x, weight_C, mean_BG, rstd_BG = saved
        x_BHWC, grad_BHWC = (t.permute(0, 2, 3, 1).contiguous() for t in (x, grad))
        (b, h, w, c), exact = x_BHWC.shape, weight_C.dtype
        # Sum rows first: the rounding errors of bf16 sums of single rows average out.
        sum_BC, dot_BC = (t.sum(2).sum(1, dtype=exact) for t in (grad_BHWC, grad_BHWC * x_BHWC))
        each = c // _GROUPS
        mean_BC, rstd_BC = (t.to(exact).repeat_interleave(each, 1) for t in (mean_BG, rstd_BG))

        def group_mean(value_BC: torch.Tensor) -> torch.Tensor:
            return (value_BC * weight_C).view(b, _GROUPS, each).sum(2).repeat_interleave(each, 1) / (each * h * w)

        # The gradient is linear in x and in the incoming gradient: two factors and a constant for each channel.
        slope_BC = ((group_mean(sum_BC) * mean_BC - group_mean(dot_BC)) * rstd_BC**3).to(x.dtype)
        constant_BC = -slope_BC * mean_BC - group_mean(sum_BC) * rstd_BC  # from the rounded slope
        # Repeat along rows: broadcast over pixels, the innermost loop would be as short as the number of channels.
        slope, constant, scale = (
            t.to(x.dtype).repeat(1, w)[:, None] for t in (slope_BC, constant_BC, weight_C * rstd_BC)
        )
        out = torch.addcmul(constant, x_BHWC.flatten(2), slope).addcmul_(grad_BHWC.flatten(2), scale)
        weight_grad_C = ((dot_BC - sum_BC * mean_BC) * rstd_BC).sum(0)
        return out.view(b, h, w, c).permute(0, 3, 1, 2), weight_grad_C, sum_BC.sum(0)


class Norm(nn.Module):
    """Normalise groups of channels of one image (Wu & He 2018), then scale and shift each channel.

    Batch statistics would make an image's score depend on the rest of its batch, on the micro-batches of a step and on
    the number of processes, with a buffer that depends on the order of batches. Groups use one image only.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return x, shape (B, C, H, W), normalised."""
        if x.device.type == "cpu":
            out: torch.Tensor = _Normalised.apply(x, self.weight, self.bias)
            return out
        return F.group_norm(x, _GROUPS, self.weight, self.bias, _EPSILON)


class Pointwise(nn.Module):
    """A 1×1 convolution whose weight is a matrix.

    A weight of shape (outputs, inputs, 1, 1) would get a gradient with other strides in channels-last format, and torch
    warns about that when processes average their gradients.
    """

    def __init__(self, inputs: int, outputs: int, stride: int = 1, bias: bool = False) -> None:
        super().__init__()
        self.linear, self.stride = nn.Linear(inputs, outputs, bias=bias), stride

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return a map of shape (B, outputs, ⌈H / stride⌉, ⌈W / stride⌉)."""
        return F.conv2d(x, self.linear.weight[:, :, None, None], self.linear.bias, self.stride)


def _convolution(inputs: int, outputs: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)


class Residual(nn.Module):
    """A residual block: two 3×3 convolutions and a shortcut; the first convolution has the stride."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.first, self.first_norm = _convolution(inputs, outputs, stride), Norm(outputs)
        self.second, self.second_norm = _convolution(outputs, outputs), Norm(outputs)
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1 or inputs != outputs:
            self.shortcut = nn.Sequential(Pointwise(inputs, outputs, stride), Norm(outputs))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return a map of shape (B, outputs, ⌈H / stride⌉, ⌈W / stride⌉)."""
        if x.shape[3] == 1 and self.first.stride == (2, 2):
            # If a map is one column wide, oneDNN leaves parts of the bf16 gradient of a kernel with a stride unwritten.
            # One more column of zero padding prevents that and changes nothing else.
            x = F.pad(x, (0, 1))
        # In place: no norm needs its output for its gradient, and every pass over memory costs time.
        hidden = F.relu_(self.first_norm(self.first(x)))
        return F.relu_(self.second_norm(self.second(hidden)).add_(self.shortcut(x)))


class Trunk(nn.Sequential):
    """A stem at full resolution, stages that each halve the resolution, and a projection to `WIDTH` channels.

    Parameters
    ----------
    inputs, stem
        Channels of the input and of the stem.
    stages
        Channels and number of blocks of each stage.
    """

    def __init__(self, inputs: int, stem: int, stages: Sequence[tuple[int, int]]) -> None:
        last = stages[-1][0]
        body = [*_stem(inputs, stem), *_blocks(stem, stages)]
        super().__init__(*body, Pointwise(last, WIDTH, bias=True))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return a map, shape (B, 192, ⌈H / 16⌉, ⌈W / 16⌉) with four stages."""
        out: torch.Tensor = super().forward(x.contiguous(memory_format=torch.channels_last))
        return out


def _stem(inputs: int, outputs: int) -> list[nn.Module]:
    return [_convolution(inputs, outputs), Norm(outputs), nn.ReLU(inplace=True)]


def _blocks(inputs: int, stages: Sequence[tuple[int, int]]) -> Iterator[Residual]:
    for channels, count in stages:
        for i in range(count):
            yield Residual(inputs, channels, stride=2 if i == 0 else 1)
            inputs = channels
