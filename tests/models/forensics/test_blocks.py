"""The norm against PyTorch's own, and blocks on maps of one column."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator

import pytest
import torch
from torch.nn import functional as F

from tithe.models.forensics import blocks


def group_norm(x: torch.Tensor, norm: blocks.Norm) -> torch.Tensor:
    return F.group_norm(x, 8, norm.weight, norm.bias)


@pytest.mark.parametrize("shape", [(2, 24, 5, 7), (1, 32, 1, 1), (3, 16, 1, 9)], ids=str)
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last], ids=str)
@pytest.mark.parametrize(("dtype", "error"), [(torch.float64, 1e-9), (torch.float32, 1e-4), (torch.bfloat16, 0.02)])
def test_the_norm_is_group_normalisation(
    shape: tuple[int, ...], layout: torch.memory_format, dtype: torch.dtype, error: float
) -> None:
    generator = torch.Generator().manual_seed(0)
    norm = blocks.Norm(shape[1]).double()
    norm.weight.data.uniform_(0.5, 2, generator=generator)
    norm.bias.data.uniform_(-1, 1, generator=generator)
    if dtype != torch.float64:
        norm.float()
    x = (torch.randn(shape, generator=generator, dtype=torch.float64) * 3 + 2).to(dtype)
    above = torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)

    def all_of(function: Callable[..., torch.Tensor], x: torch.Tensor, norm: blocks.Norm) -> Iterator[torch.Tensor]:
        x = x.to(memory_format=layout).requires_grad_()
        out = function(x, norm)
        yield out.detach().double()
        for gradient in torch.autograd.grad(out, [x, norm.weight, norm.bias], above.to(out.dtype)):
            yield gradient.double()

    ours = all_of(lambda x, norm: norm(x), x, norm)
    theirs = all_of(group_norm, x.double(), copy.deepcopy(norm).double())
    for found, expected in zip(ours, theirs, strict=True):
        torch.testing.assert_close(found, expected, rtol=0, atol=error * float(expected.abs().max()))


@pytest.mark.parametrize("height", [1, 2, 5])
def test_a_map_of_one_column_has_its_gradient_in_bf16(height: int) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        block, x = blocks.Residual(32, 32, 2), torch.randn(2, 32, height, 1)
    shapes = block(x).shape, block.first(x).shape
    assert shapes[0] == shapes[1] == (2, 32, (height + 1) // 2, 1)
    for dtype in (torch.float32, torch.bfloat16):
        poison = [torch.full_like(block.first.weight, math.nan, dtype=dtype) for _ in range(100)]
        del poison  # the gradient may now lie where these lay
        with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
            block(x).float().square().sum().backward()
        outside = block.first.weight.grad[..., [0, 2]]  # taps that only ever see the padding
        assert not outside.any()
        block.zero_grad()
