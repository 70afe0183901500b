"""Precisions that a device has not fall back with a note, and those it has train alike."""

from __future__ import annotations

import pytest
import torch

from support.points import Net, Points, criterion, settings, steps
from tithe.train import devices, trainer
from tithe.train.trainer import FitOptions


@pytest.mark.parametrize(
    "asked, native, expected", [("fp16", True, "bf16"), ("fp16", False, "no"), ("bf16", False, "no")]
)
def test_precision_falls_back_with_a_note(
    asked: str, native: bool, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices, "bf16_is_native", lambda device: native)
    decided = devices.precision(asked, torch.device("cpu"))
    assert decided.name == expected and decided.note


def test_bf16_trains_close_to_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    exact = [s.batch_loss for s in steps(Net())]
    monkeypatch.setattr(devices, "bf16_is_native", lambda device: True)  # the kernels exist on every CPU
    accelerator = devices.accelerator("cpu", "bf16")
    half = [s.batch_loss for s in trainer.fit(Net(), criterion, Points(), FitOptions(settings(), 0, accelerator))]
    assert half == pytest.approx(exact, rel=0.05)
    assert half != exact


def test_an_accelerator_keeps_its_precision_beside_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "bf16_is_native", lambda device: True)
    half, single = devices.accelerator("cpu", "bf16"), devices.accelerator("cpu", "no")
    assert [half.mixed_precision, single.mixed_precision] == ["bf16", "no"]
    with half.autocast():
        assert torch.is_autocast_enabled("cpu") and torch.get_autocast_dtype("cpu") == torch.bfloat16
    with single.autocast():
        assert not torch.is_autocast_enabled("cpu")
