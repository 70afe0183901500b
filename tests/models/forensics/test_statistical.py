"""Histograms, covariances and moments, by hand and by their definitions."""

from __future__ import annotations

import math

import pytest
import torch

from support.detectors import GRAY, built, images
from tithe.models.forensics import statistical


def test_statistics_are_exact_under_autocast() -> None:
    branch, x, seen = built("full").encoder.statistical, images(2, 3, 20, 21).float() * GRAY, []
    for layer in (branch.histograms, branch.covariances, branch.moments):
        layer.register_forward_pre_hook(lambda module, given: seen.append(given[0]))
    for enabled in (True, False):
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            branch(x)
    for rounded, exact in zip(seen[:3], seen[3:], strict=True):
        assert rounded.dtype == torch.float32 and torch.equal(rounded, exact)


def test_a_histogram_by_hand() -> None:
    # Centres are 2/15 apart: one value at the first, one at the last, one a quarter of the way from the second on.
    x = torch.tensor([-1.0, 1.0, -1 + 1.25 * 2 / 15, 1.0]).view(1, 1, 2, 2)
    expected = torch.zeros(16)
    expected[0], expected[1], expected[2], expected[15] = 1, 0.75, 0.25, 2
    torch.testing.assert_close(statistical.soft_histograms(x)[0, 0], expected * 16 / 4)


def test_covariances_of_a_checkerboard() -> None:
    y, x = torch.arange(8)[:, None], torch.arange(10)
    board = (1 - 2 * ((y + x) % 2)).float()[None, None]
    expected = [(-1.0) ** (down + across) for down, across in statistical.LAGS]
    torch.testing.assert_close(statistical.lag_covariances(board)[0, 0], torch.tensor(expected))


def test_covariances_by_definition() -> None:
    x = images(2, 3, 9, 11).float() / 128 - 1
    found = statistical.lag_covariances(x)
    centred = x - x.mean((2, 3), keepdim=True)
    for i, (down, across) in enumerate(statistical.LAGS):
        rows, left, right = 9 - down, max(0, -across), max(0, across)
        one = centred[:, :, :rows, left : 11 - right]
        other = centred[:, :, down:, left + across : 11 - right + across]
        expected = (one * other).mean((2, 3)) / (centred.square().mean((2, 3)) + 1e-6)
        torch.testing.assert_close(found[..., i], expected, rtol=1e-4, atol=1e-5)


MOMENTS = [
    ([1.0, -1.0, 1.0, -1.0], [0, 0, 0, math.log(2)]),
    ([0.0, 0.0, 0.0, 1.0], [0.25, math.log(3 / 16) / 2, math.asinh(2 / math.sqrt(3)), math.log1p(7 / 3)]),
    ([0.5, 0.5, 0.5, 0.5], [0.5, math.log(1e-6) / 2, 0, 0]),
]


@pytest.mark.parametrize(("values", "expected"), MOMENTS)
def test_moments_by_hand(values: list[float], expected: list[float]) -> None:
    found = statistical.moments(torch.tensor(values).view(1, 1, 2, 2))[0, 0]
    torch.testing.assert_close(found, torch.tensor(expected), rtol=1e-4, atol=1e-5)
