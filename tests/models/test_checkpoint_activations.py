"""Layers that are computed again in the backward pass: less is kept, and the weights have the same bits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from support import encoder_families
from support.runs import built, run, sha
from tithe.errors import InputError
from tithe.models import encoders

Settings = Callable[..., dict[str, Any]]


@pytest.mark.parametrize("encoder", ["tiny_bert", "tiny_modernbert"])
@pytest.mark.parametrize("dropout", [None, 0.2])
def test_the_bits_are_those_of_kept_states(
    encoder: str, dropout: float | None, settings: Settings, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    folder = str(request.getfixturevalue(encoder))
    raw = settings(model={"encoder": folder, "encoder_dropout": dropout}, train={"epochs": 1})
    kept = run({**raw, "out": str(tmp_path / "kept")})
    raw["train"] = {**raw["train"], "checkpoint_activations": True}
    assert sha(run({**raw, "out": str(tmp_path / "again")})) == sha(kept)


def test_less_is_kept(settings: Settings) -> None:
    sizes = []
    for setting in (False, True):
        network, examples = built(settings(train={"checkpoint_activations": setting}))
        kept: list[int] = []

        def pack(tensor: torch.Tensor, kept: list[int] = kept) -> torch.Tensor:
            kept.append(tensor.numel())
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor), torch.random.fork_rng(devices=[]):
            network.classifier.train()(examples.collate(examples.rows[:16]))  # type: ignore[attr-defined]
        sizes.append(sum(kept))
    assert sizes[1] < sizes[0] / 2


@pytest.mark.usefixtures("seeded")
def test_an_encoder_that_cannot_is_refused() -> None:
    with pytest.raises(InputError, match=r"SqueezeBertModel of 'mine' keeps all its states: set it to false"):
        encoders.checkpoint_activations(encoder_families.built("squeezebert").encoder, "mine")
