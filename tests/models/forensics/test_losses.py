"""The loss of the detector, worked by hand and at its limits."""

from __future__ import annotations

import math

import pytest
import torch

from support.detectors import WEIGHTS
from tithe.models.forensics import losses


def logit(score: float) -> float:
    return math.log(score / (1 - score))


def test_the_loss_by_hand() -> None:
    scores, labels = [0.9, 0.6, 0.5, 0.75], torch.tensor([1, 1, 0, 0])
    outputs = torch.tensor([[logit(s), 0.0, math.log(3)] for s in scores])
    found = losses.parts(outputs, labels, margin=0.3)
    assert float(found["regression"]) == pytest.approx((0.1**2 + 0.4**2 + 0.5**2 + 0.75**2) / 4)
    assert float(found["classification"]) == pytest.approx(-(2 * math.log(0.75) + 2 * math.log(0.25)) / 4)
    # Leads of .9: .4 and .15, short by 0 and .15; of .6: .1 and -.15, short by .2 and .45.
    assert float(found["ranking"]) == pytest.approx((0 + 0.15 + 0.2 + 0.45) / 4)
    assert int(found["pairs"]) == 4
    whole = losses.total(found, WEIGHTS)
    expected = found["regression"] + 0.3 * found["classification"] + 0.2 * found["ranking"]
    torch.testing.assert_close(whole, expected)


@pytest.mark.parametrize("label", [0, 1])
def test_one_class_has_no_pairs_and_a_gradient_of_zeros(label: int) -> None:
    outputs = torch.randn(3, 3, generator=torch.Generator().manual_seed(0)).requires_grad_()
    found = losses.parts(outputs, torch.full((3,), label))
    assert found["ranking"].item() == found["pairs"].item() == 0
    found["ranking"].backward()
    assert outputs.grad is not None and not outputs.grad.any()


def test_the_loss_of_rounded_outputs_is_not_rounded_again() -> None:
    outputs = torch.randn(6, 3, generator=torch.Generator().manual_seed(0)).bfloat16()
    found, expected = (losses.parts(given, torch.arange(6) % 2) for given in (outputs, outputs.float()))
    assert all(torch.equal(found[name], expected[name]) for name in ("regression", "classification", "ranking"))


@pytest.mark.parametrize("logits", [1e4, -1e4, 3e38, 0.0])
def test_the_loss_stays_a_number(logits: float) -> None:
    outputs = torch.tensor([[logits, logits, -logits], [-logits, -logits, logits]], requires_grad=True)
    for labels in (torch.tensor([1, 0]), torch.tensor([0, 1])):
        with torch.autocast("cpu", torch.bfloat16):
            found = losses.parts(outputs.bfloat16() if logits < 1e38 else outputs / 4, labels)
            whole = losses.total(found, WEIGHTS)
        assert whole.dtype == torch.float32 and whole.isfinite()
        (gradient,) = torch.autograd.grad(whole, outputs)
        assert gradient.isfinite().all()


@pytest.mark.parametrize(("reals", "fakes"), [(1, 1), (1, 9), (9, 1), (40, 60), (500, 700)])
@pytest.mark.parametrize("margin", [0.05, 0.2, 1.0])
def test_ranking_is_the_mean_over_all_pairs(reals: int, fakes: int, margin: float) -> None:
    generator = torch.Generator().manual_seed(reals + fakes)
    real, fake = (torch.rand(n, generator=generator).mul(64).round().div(64) for n in (reals, fakes))  # many ties
    expected = (margin - (real[:, None] - fake)).clamp(min=0).mean()
    torch.testing.assert_close(losses.ranking(real, fake, margin), expected, rtol=1e-5, atol=1e-7)


def test_the_gradient_of_ranking() -> None:
    generator = torch.Generator().manual_seed(0)
    real, fake = (torch.rand(n, dtype=torch.float64, generator=generator).requires_grad_() for n in (5, 7))
    assert torch.autograd.gradcheck(lambda r, f: losses.ranking(r, f, 0.2), (real, fake))
