"""An encoder may learn at a rate of its own, and every trainable parameter is in one group."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from support.freezing import FIRST, built, trainable
from tithe import config, pipeline
from tithe.train import optimizer

Settings = Callable[..., dict[str, Any]]

PROOF = "freeze_proof.json"


@pytest.fixture(params=list(FIRST))
def named(request: pytest.FixtureRequest) -> tuple[str, Path]:
    """Each of the two encoders in turn, with its name."""
    return request.param, request.getfixturevalue(request.param)


def grouped(model: nn.Module, **values: object) -> list[dict[str, Any]]:
    return optimizer.parameter_groups(model, config.Train(weight_decay=0.1, learning_rate=1e-3, **values))


@pytest.mark.parametrize("frozen", ["none", 1, 2, "all"])
@pytest.mark.parametrize("rate", [None, 1e-5])
def test_every_trainable_parameter_is_in_one_group(named: tuple[str, Path], frozen: object, rate: float | None) -> None:
    model = built(named[1], freeze=frozen, head="mlp")
    groups = grouped(model, encoder_learning_rate=rate)
    names = {id(p): name for name, p in model.named_parameters()}
    found = [names[id(p)] for group in groups for p in group["params"]]
    assert sorted(found) == sorted(trainable(model)) and all(group["params"] for group in groups)
    for group in groups:
        assert {p.ndim >= 2 for p in group["params"]} == {group["weight_decay"] > 0}
        of_encoder = {names[id(p)].startswith("encoder.") for p in group["params"]}
        assert of_encoder == {group["lr"] == rate} if rate else group["lr"] == 1e-3


def test_groups_are_named_by_what_is_in_them(tiny_bert: Path) -> None:
    model = built(tiny_bert, head="mlp")
    names = {
        rate: list(optimizer.named_groups(model, config.Train(encoder_learning_rate=rate))) for rate in (None, 1e-5)
    }
    assert names[None] == ["model_matrices", "model_vectors"]
    assert names[1e-5] == ["head_matrices", "head_vectors", "encoder_matrices", "encoder_vectors"]


@pytest.mark.parametrize(("rate", "within"), [(1e-7, (0.0, 1e-5)), (None, (1e-3, 1.0))])
def test_the_encoder_moves_at_its_own_rate(
    settings: Settings, rate: float | None, within: tuple[float, float], tiny_bert: Path
) -> None:
    raw = settings(train={"epochs": 1, "encoder_learning_rate": rate, "schedule": "constant"})
    outcome = pipeline.train(config.parse(raw))
    start, end = built(tiny_bert).state_dict(), torch.load(outcome.best / "model.pt", weights_only=True)
    moved = {part: max(float((end[n] - start[n]).abs().max()) for n in start if n.startswith(part)) for part in
             ("encoder.", "head.")}  # fmt: skip
    assert within[0] < moved["encoder."] < within[1] and moved["head."] > 1e-3
    lines = [json.loads(line) for line in (outcome.home / "history.jsonl").read_text().splitlines()]
    rates = {value for line in lines for key, value in line.items() if key.startswith("lr_")}
    assert rates == {1e-3, rate or 1e-3}, "constant from the first step to the last"
    assert "freeze" not in outcome.scores and not (outcome.home / PROOF).exists()
