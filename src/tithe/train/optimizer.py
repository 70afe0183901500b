"""Parameter groups, AdamW, learning-rate schedules and averaged weights."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator

import torch
from torch import nn

from tithe.config import Train


def parameter_groups(model: nn.Module, settings: Train) -> list[dict[str, object]]:
    """Split trainable parameters: matrices decay, vectors (biases, norms) do not (Loshchilov & Hutter 2019).

    With `encoder_learning_rate` set, the parameters of the model's `encoder` form groups of their own, after the
    others.
    """
    trainable = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    apart = settings.encoder_learning_rate is not None
    groups: list[dict[str, object]] = []
    for of_encoder in (False, True) if apart else (False,):
        own = [p for name, p in trainable if (apart and name.startswith("encoder.")) == of_encoder]
        lr = settings.encoder_learning_rate if of_encoder else settings.learning_rate
        groups += [
            {"params": [p for p in own if p.ndim >= 2], "lr": lr, "weight_decay": settings.weight_decay},
            {"params": [p for p in own if p.ndim < 2], "lr": lr, "weight_decay": 0.0},
        ]
    return [group for group in groups if group["params"]]


def adamw(model: nn.Module, settings: Train) -> torch.optim.AdamW:
    """Return AdamW in its fused form: one pass over memory for each step."""
    groups = parameter_groups(model, settings)
    return torch.optim.AdamW(groups, lr=settings.learning_rate, betas=settings.betas, fused=True)


def schedule(settings: Train, total_steps: int, steps_per_epoch: int = 1) -> Callable[[int], float]:
    """Return the factor of the peak learning rate at an optimizer step, counted from 0.

    Linear warmup from 0 over `warmup_steps`, then linear decay to 0, nothing (`constant`), or the cosine
    ½(1 + cos(2π · num_cycles · progress)), raised so that it ends at `min_learning_rate`; beyond the last step the
    factor stays at its end. The warmup counts from the first step on, so that step 0 already moves: factor
    1/(warmup_steps + 1). The schedule begins after `schedule_from` epochs; before it the factor is that of its start.

    Parameters
    ----------
    total_steps
        Optimizer steps of the run, the schedule's end where the settings name no other.
    steps_per_epoch
        What the settings in epochs count in.
    """
    begin = settings.schedule_from * steps_per_epoch
    horizon = settings.schedule_steps or (settings.schedule_epochs or 0) * steps_per_epoch or total_steps - begin
    warmup = settings.warmup_steps or settings.warmup_epochs * steps_per_epoch
    floor = min(1.0, settings.min_learning_rate / settings.learning_rate)  # a peak below the end is the end

    def factor(step: int) -> float:
        step = max(0, step - begin)
        if step < warmup:
            return (step + 1) / (warmup + 1)
        if settings.schedule == "constant":
            return 1.0
        progress = min(1.0, (step - warmup) / max(1, horizon - warmup))
        if settings.schedule == "linear":
            return 1.0 - progress
        wave = max(0.0, 0.5 * (1.0 + math.cos(2.0 * math.pi * settings.num_cycles * progress)))
        return floor + (1.0 - floor) * wave

    return factor


class Average:
    """An exponential moving average of the weights; buffers are taken as they are."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.weights = {name: value.detach().clone() for name, value in model.state_dict().items()}

    def update(self, model: nn.Module) -> None:
        """Move towards the model's weights by 1 − decay."""
        with torch.no_grad():
            for name, value in model.state_dict().items():
                mine = self.weights[name]
                if mine.is_floating_point():
                    mine.lerp_(value, 1 - self.decay)
                else:
                    mine.copy_(value)

    @contextlib.contextmanager
    def applied(self, model: nn.Module) -> Iterator[None]:
        """Lend the averaged weights to the model for the length of the block."""
        own = {name: value.clone() for name, value in model.state_dict().items()}
        model.load_state_dict(self.weights)
        try:
            yield
        finally:
            model.load_state_dict(own)
