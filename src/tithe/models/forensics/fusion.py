"""Fusion of the three branches of the full mode: cross-attention, then self-attention over all tokens."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from tithe.models.forensics.blocks import WIDTH

SIDE = 8
_HEADS = 4
_LAYERS = 3
_INNER = 384


def tokens(map_BDHW: torch.Tensor) -> torch.Tensor:
    """Return an 8×8 grid of means over a map of any size, shape (B, 64, D), in float32, as its updates are small."""
    return F.adaptive_avg_pool2d(map_BDHW.float(), SIDE).flatten(2).transpose(1, 2)


def _attended(q_BTD: torch.Tensor, k_BSD: torch.Tensor, v_BSD: torch.Tensor) -> torch.Tensor:
    heads = (x.unflatten(2, (_HEADS, -1)).transpose(1, 2) for x in (q_BTD, k_BSD, v_BSD))
    return F.scaled_dot_product_attention(*heads).transpose(1, 2).flatten(2)


class Cross(nn.Module):
    """Cross-attention of one branch's tokens to another's, with a gate.

    The gate is initialised with zeros: at first the branches do not affect each other (Alayrac et al. 2022).
    """

    def __init__(self) -> None:
        super().__init__()
        self.own_norm, self.other_norm = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.query, self.key, self.value, self.out = (nn.Linear(WIDTH, WIDTH) for _ in range(4))
        self.gate = nn.Parameter(torch.zeros(WIDTH))

    def forward(self, own_BTD: torch.Tensor, other_BSD: torch.Tensor) -> torch.Tensor:
        """Return the update of the own tokens, shape (B, T, 192)."""
        own_BTD, other_BSD = self.own_norm(own_BTD), self.other_norm(other_BSD)
        attended_BTD = self.out(_attended(self.query(own_BTD), self.key(other_BSD), self.value(other_BSD)))
        update_BTD: torch.Tensor = self.gate * attended_BTD
        return update_BTD


class Layer(nn.Module):
    """A pre-norm transformer layer (Xiong et al. 2020)."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.qkv, self.out = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.forth = nn.Sequential(nn.LayerNorm(WIDTH), nn.Linear(WIDTH, _INNER), nn.GELU(), nn.Linear(_INNER, WIDTH))

    def forward(self, x_BTD: torch.Tensor) -> torch.Tensor:
        """Return tokens of the same shape."""
        x_BTD = x_BTD + self.out(_attended(*self.qkv(self.norm(x_BTD)).chunk(3, dim=2)))
        out_BTD: torch.Tensor = x_BTD + self.forth(x_BTD)
        return out_BTD


class CrossAttention(nn.Module):
    """Perceptual tokens attend to spectral and statistical ones, and these two to them, simultaneously."""

    def __init__(self) -> None:
        super().__init__()
        self.from_spectral, self.from_statistical, self.to_spectral, self.to_statistical = (Cross() for _ in range(4))

    def forward(self, p_BTD: torch.Tensor, q_BTD: torch.Tensor, s_BTD: torch.Tensor) -> list[torch.Tensor]:
        """Return the perceptual, spectral and statistical tokens, with unchanged shapes."""
        p_new = p_BTD + self.from_spectral(p_BTD, q_BTD) + self.from_statistical(p_BTD, s_BTD)
        return [p_new, q_BTD + self.to_spectral(q_BTD, p_BTD), s_BTD + self.to_statistical(s_BTD, p_BTD)]


class SelfAttention(nn.Module):
    """Three layers over a class token and the tokens of all branches."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Parameter(torch.randn(WIDTH) * 0.02)
        self.branches = nn.Parameter(torch.randn(3, WIDTH) * 0.02)
        self.layers = nn.Sequential(*(Layer() for _ in range(_LAYERS)))

    def forward(self, branches: list[torch.Tensor]) -> torch.Tensor:
        """Return one vector for each image, shape (B, 192): the first token and the means of the branches, added."""
        named = [x_BTD + name_D for x_BTD, name_D in zip(branches, self.branches, strict=True)]
        first_B1D = self.first.expand(named[0].shape[0], 1, -1)
        mixed_BTD = self.layers(torch.cat([first_B1D, *named], dim=1))
        first, *rest = mixed_BTD.split([1, *(x.shape[1] for x in named)], dim=1)
        return torch.stack([first.mean(1), *(x.mean(1) for x in rest)]).sum(0)
