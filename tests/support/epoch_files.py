"""The files of an epoch's end: the flags of the runs that write them, their content, runs that are killed."""

from __future__ import annotations

import math
import multiprocessing
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from support.photographs import after, history, with_little_detector, without_pictures
from tithe import interrupts

EPOCHS = 4
FLAGS: dict[str, Any] = {"epochs": EPOCHS, "warmup_epochs": 1, "lr": 0.003, "min_lr": 0.0001}
KEYS = {
    "epoch": int,
    "global_step": int,
    "model_state_dict": dict,
    "optimizer_state_dict": dict,
    "scheduler_state_dict": dict,
    "scaler_state_dict": dict,
    "best_val_loss": float,
    "train_history": list,
    "val_history": list,
}


def make_small(patch: pytest.MonkeyPatch, root: Path) -> None:
    """Leave out what these files do not depend on; the photographs are read once for all tests."""
    without_pictures(patch)
    with_little_detector(patch)
    patch.setenv("TITHE_CACHE", str(root.parent / "cache"))


Train = Callable[..., Path]


def opened(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = torch.load(path, weights_only=True)
    return content


def same(one: Any, other: Any) -> bool:
    """Say whether two contents are equal to the bit, whatever they are made of."""
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(same(a, b) for a, b in zip(one, other, strict=True))
    return bool(one == other)


def rates(home: Path) -> list[float]:
    return [line["lr_0"] for line in history(home, "train")]


def factors(**settings: Any) -> Callable[[int], float]:
    """The documented schedule over the peak, by hand: steps of warmup, then half a cosine to the least."""
    warmup, total, least = (settings[name] for name in ("warmup", "total", "least"))

    def factor(step: int) -> float:
        if step < warmup:
            return float((step + 1) / (warmup + 1))
        way = min(1.0, (step - warmup) / (total - warmup))
        return float(least + (1 - least) * 0.5 * (1 + math.cos(math.pi * way)))

    return factor


def killed(run: Callable[[], Any], arrange: Callable[[pytest.MonkeyPatch], None]) -> None:
    """Run in a process of its own that kills itself, as nothing can catch it."""

    def child() -> None:
        arrange(pytest.MonkeyPatch())
        run()

    process = multiprocessing.get_context("fork").Process(target=child)
    process.start()
    process.join(120)
    assert process.exitcode == -signal.SIGKILL


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def at_step(step: int) -> Callable[[pytest.MonkeyPatch], None]:
    return lambda patch: patch.setattr(interrupts, "StopRequest", after(step, die))


def at_call(module: Any, name: str, call: int) -> Callable[[pytest.MonkeyPatch], None]:
    """Die when a function is called so often."""
    real, calls = getattr(module, name), iter(range(1, 1000))

    def dying(*arguments: Any, **named: Any) -> Any:
        if next(calls) == call:
            die()
        return real(*arguments, **named)

    return lambda patch: patch.setattr(module, name, dying)
