"""What the perceptual branch is shown."""

from __future__ import annotations

import torch

from support.detectors import built


def test_every_gray_level_survives_bf16() -> None:
    branch, seen = built("fast").encoder.perceptual, []
    branch.trunk.register_forward_pre_hook(lambda module, given: seen.append(given[0]))
    levels = (torch.arange(256, dtype=torch.uint8).float() / 255).expand(1, 3, 8, 256)
    with torch.no_grad():
        branch(levels)
    kept = seen[0][0, 0, 0].bfloat16().float()
    torch.testing.assert_close(kept, (torch.arange(256.0) - 127.5) / 64, rtol=0, atol=0)
