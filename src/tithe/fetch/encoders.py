"""The encoders that `tithe fetch` makes out of packages, by name."""

from __future__ import annotations

from tithe.fetch import clip_vit_b16, e5_small

ENCODERS = {encoder.name: encoder for encoder in (clip_vit_b16.ENCODER, e5_small.ENCODER)}
