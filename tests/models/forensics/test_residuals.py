"""Residuals of fixed filters: impulses, slopes and levels with known answers."""

from __future__ import annotations

import pytest
import torch

from support.detectors import GRAY, images
from tithe.models.forensics import residuals


def test_npr_by_hand() -> None:
    x = torch.tensor([[1.0, 2, 3], [4, 5, 6], [7, 9, 11]])[None, None]
    expected = torch.tensor([[0.0, 1, 0], [3, 4, 3], [0, 2, 0]])[None, None]
    assert torch.equal(residuals.npr(x), expected)


def test_srm_answers_an_impulse_with_its_kernels() -> None:
    x = torch.zeros(1, 3, 9, 9)
    x[0, 1, 4, 4] = GRAY
    found = residuals.srm(x).view(3, 3, 9, 9) * 3  # in gray levels, of red, green and blue
    assert not found[[0, 2]].any()
    square_5, square_3, line = found[1]
    expected_5 = [[-1, 2, -2, 2, -1], [2, -6, 8, -6, 2], [-2, 8, -12, 8, -2], [2, -6, 8, -6, 2], [-1, 2, -2, 2, -1]]
    torch.testing.assert_close(square_5[2:7, 2:7] * 12, torch.tensor(expected_5).float())
    torch.testing.assert_close(square_3[3:6, 3:6] * 4, torch.tensor([[-1.0, 2, -1], [2, -4, 2], [-1, 2, -1]]))
    torch.testing.assert_close(line[4, 3:6] * 2, torch.tensor([1.0, -2, 1]))
    assert [int((plane != 0).sum()) for plane in found[1]] == [25, 9, 3]
    torch.testing.assert_close(residuals.high_pass(x)[0, 1] / GRAY, square_3)


def test_srm_is_clamped_at_three_gray_levels() -> None:
    x = torch.zeros(1, 1, 9, 9)
    x[..., 4, 4] = 1
    line = residuals.srm(x)[0, 2]
    assert line[4, 3:6].tolist() == [1, -1, 1]
    ramp = torch.arange(9.0).expand(1, 1, 9, 9) * GRAY
    assert residuals.srm(ramp)[..., 2:-2].abs().max() < 1e-5  # a slope is no residual
    level = torch.full((1, 2, 5, 6), 0.3)
    assert max(f(level).abs().max() for f in (residuals.npr, residuals.srm, residuals.high_pass)) < 1e-5  # to its edges


@pytest.mark.parametrize("name", ["npr", "srm", "high_pass"])
def test_residuals_are_exact_under_autocast(name: str) -> None:
    x, function = images(1, 3, 10, 11).float() * GRAY, getattr(residuals, name)
    with torch.autocast("cpu", torch.bfloat16):
        found = function(x)
    assert found.dtype == torch.float32 and torch.equal(found, function(x))
