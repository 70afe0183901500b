"""Faster must not mean different: masks with the right odds, attention with the right numbers."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from tithe.models import kernels

pytestmark = pytest.mark.usefixtures("seeded")  # networks are built, and drop out, by the global generator


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("p", [0.05, 0.1, 0.5, 0.9])
def test_dropout_keeps_its_share_and_its_scale(p: float, dtype: torch.dtype) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        out = kernels.dropout(torch.ones(200_001, dtype=dtype), p)
    kept = out != 0
    sigma = (p * (1 - p) / len(out)) ** 0.5
    assert abs(float(kept.float().mean()) - (1 - p)) < 4 * sigma
    torch.testing.assert_close(out[kept].float().unique(), torch.tensor([1 / (1 - p)]), rtol=1e-2, atol=0)


def test_dropout_neighbours_are_independent() -> None:
    # Four elements come from one draw: no two of them may move together.
    with torch.random.fork_rng():
        torch.manual_seed(0)
        kept = (kernels.dropout(torch.ones(400_000), 0.5) != 0).float().view(-1, 4)
    correlation = torch.corrcoef(kept.T) - torch.eye(4)
    assert correlation.abs().max() < 0.02


def test_dropout_gradient_passes_where_the_value_did() -> None:
    x = torch.full((1000,), 3.0, requires_grad=True)
    out = kernels.dropout(x, 0.3)
    out.sum().backward()
    torch.testing.assert_close(x.grad * 3.0, out.detach())


def test_dropout_follows_the_generator() -> None:
    draws = []
    for seed in (1, 1, 2):
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            draws.append(kernels.dropout(torch.ones(999), 0.5))
    assert torch.equal(draws[0], draws[1]) and not torch.equal(draws[0], draws[2])


def test_the_module_is_silent_in_evaluation_and_at_zero() -> None:
    x = torch.randn(10)
    assert kernels.Dropout(0.5).eval()(x) is x
    assert kernels.Dropout(0.0).train()(x) is x
    assert (kernels.Dropout(0.5).train()(torch.ones(1000)) == 0).any()


class TwoWay(nn.Module):
    is_causal = False


class OneWay(nn.Module):
    is_causal = True


def qkv(dtype: torch.dtype = torch.float32) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(2, 3, 5, 4, generator=generator, requires_grad=True).to(dtype) for _ in range(3)]


@pytest.mark.parametrize("mask", ["none", "boolean", "additive"])
def test_attention_with_hardly_any_dropout_is_attention(mask: str) -> None:
    q, k, v = qkv()
    boolean = torch.ones(2, 1, 5, 5, dtype=torch.bool)
    boolean[1, :, :, 3:] = False
    given = {"none": None, "boolean": boolean, "additive": (~boolean) * torch.finfo(torch.float32).min}[mask]
    # 1e-6 rounds to no dropout at all, but takes the path that can drop.
    ours, _ = kernels.attention(TwoWay(), q, k, v, given, dropout=1e-6)
    theirs = torch.nn.functional.scaled_dot_product_attention(q, k, v, given).transpose(1, 2)
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)
    for a, b in zip(
        torch.autograd.grad(ours.sum(), [q, k, v], retain_graph=True),
        torch.autograd.grad(theirs.sum(), [q, k, v]),
        strict=True,
    ):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


def test_attention_dropout_has_the_right_mean() -> None:
    q, k, v = qkv()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        draws = torch.stack([kernels.attention(TwoWay(), q, k, v, None, dropout=0.3)[0].detach() for _ in range(4000)])
    plain, _ = kernels.attention(TwoWay(), q, k, v, None)
    assert (draws.mean(0) - plain).abs().max() < 5 * (draws.std(0) / 4000**0.5).max()


def test_a_causal_network_stays_causal() -> None:
    q, k, v = (x.detach() for x in qkv())
    with torch.random.fork_rng():
        torch.manual_seed(0)
        out, _ = kernels.attention(OneWay(), q, k, v, None, dropout=0.5)
    first = out[:, 0].abs()  # the first token can only see itself: all of its value, or nothing
    values = v[:, :, 0].abs()
    assert (torch.isclose(first, 2 * values) | (first == 0)).all()


def test_a_real_encoder_is_swapped_and_computes_the_same(tiny_bert: Path) -> None:
    from transformers import AutoModel

    ours, theirs = (AutoModel.from_pretrained(tiny_bert) for _ in range(2))
    kernels.use_fast_kernels(ours, attention=True)
    assert ours.config._attn_implementation == kernels.NAME
    assert not any(type(module) is nn.Dropout for module in ours.modules())
    ids = torch.tensor([[2, 7, 8, 9, 3], [2, 7, 3, 0, 0]])
    mask = (ids != 0).long()
    with torch.no_grad():
        a, b = (m.eval()(input_ids=ids, attention_mask=mask).last_hidden_state for m in (ours, theirs))
    torch.testing.assert_close(a, b)
    for model in (ours, theirs):
        for module in model.modules():
            if hasattr(module, "p"):
                module.p = 0.0
            if hasattr(module, "dropout_prob"):
                module.dropout_prob = 0.0
        model.train()
    with torch.no_grad():
        a, b = (m(input_ids=ids, attention_mask=mask).last_hidden_state for m in (ours, theirs))
    torch.testing.assert_close(a[mask.bool()], b[mask.bool()], rtol=1e-4, atol=1e-5)
