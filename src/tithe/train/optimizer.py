"""Parameter groups, AdamW, learning-rate schedules and averaged weights."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import nn

from tithe.config import Train
from tithe.errors import InputError
from tithe.models.partial import adapters, word_table
from tithe.train.bf16_adamw import Bf16AdamW

_ZERO = 1e-9  # as a factor of the peak; the last step of a linear schedule has more
_IN_WARMUP = "within its warmup: set it to {} or more, or leave it unset"
_AFTER_END = "and the learning rate is 0 after it: set it to {} or more, or leave it unset"


def parameter_groups(model: nn.Module, settings: Train) -> list[dict[str, object]]:
    """Split trainable parameters: matrices decay, vectors (biases, norms) do not (Loshchilov & Hutter 2019).

    With `encoder_learning_rate`, the parameters of the model's `encoder` are separate groups, after the others.
    """
    return list(named_groups(model, settings).values())


def group_sizes(model: nn.Module, settings: Train) -> list[int]:
    """Return the number of tensors in each of `parameter_groups`; a state of other groups can't be loaded."""
    return [len(list(group["params"])) for group in parameter_groups(model, settings)]  # type: ignore[call-overload]


def named_groups(model: nn.Module, settings: Train) -> dict[str, dict[str, object]]:
    """Return the parameter groups in the order of `parameter_groups`, each by what is in it."""
    trainable = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    separate = settings.encoder_learning_rate is not None
    groups: dict[str, dict[str, object]] = {}
    for of_encoder in (False, True) if separate else (False,):
        part = ("encoder" if of_encoder else "head") if separate else "model"
        own = [p for name, p in trainable if (separate and name.startswith("encoder.")) == of_encoder]
        lr = settings.encoder_learning_rate if of_encoder else settings.learning_rate
        matrices, vectors = [p for p in own if p.ndim >= 2], [p for p in own if p.ndim < 2]
        groups[f"{part}_matrices"] = {"params": matrices, "lr": lr, "weight_decay": settings.weight_decay}
        groups[f"{part}_vectors"] = {"params": vectors, "lr": lr, "weight_decay": 0.0}
    return {name: group for name, group in groups.items() if group["params"]}


def adamw(model: nn.Module, settings: Train) -> torch.optim.AdamW:
    """Return fused AdamW, which passes over memory once per step, with averages as `optimizer_state` says."""
    kind = Bf16AdamW if settings.optimizer_state == "bf16" else torch.optim.AdamW
    optimizer = kind(parameter_groups(model, settings), lr=settings.learning_rate, betas=settings.betas, fused=True)
    for table in word_table.tables(model):
        table.follow(optimizer)
    return optimizer


def gradient_norm(gradients: Sequence[torch.Tensor]) -> torch.Tensor:
    """Return the norm of all gradients together, shape ().

    Rows of matrices are summed in float64, so that rows of zeros have no part in the rounding: a `WordTable` lacks
    them, and gives the same bits.
    """
    rows = [torch.linalg.vector_norm(gradient, dim=_of_rows(gradient)).view(-1) for gradient in gradients]
    norm: torch.Tensor = torch.linalg.vector_norm(torch.cat(rows), dtype=torch.float64)
    return norm.float()


def _of_rows(gradient: torch.Tensor) -> int | None:
    return -1 if gradient.ndim == 2 else None


def schedule(settings: Train, total_steps: int, steps_per_epoch: int = 1) -> Callable[[int], float]:
    """Return the factor of the peak learning rate at an optimizer step, counted from 0.

    Linear warmup over `warmup_steps`, then linear decay to 0, no decay (`constant`), or the cosine
    ½(1 + cos(2π · num_cycles · progress)), scaled to end at `min_learning_rate`. After the last step the factor is
    constant: a warmup that the schedule ended in does not go on. The factor of step 0 is 1/(warmup_steps + 1), not 0,
    so that every step trains. The schedule starts after `schedule_from` epochs; before that the factor is that of its
    start.

    Parameters
    ----------
    total_steps
        Optimizer steps of the run: the end of the schedule, unless the settings have another one.
    steps_per_epoch
        To convert the settings in epochs.
    """
    begin, warmup = settings.schedule_from * steps_per_epoch, _warmup(settings, steps_per_epoch)
    horizon = _horizon(settings, total_steps, steps_per_epoch)
    last = horizon - 1 if _ends_in_warmup(settings, total_steps, steps_per_epoch) else math.inf
    floor = min(
        1.0, settings.min_learning_rate / settings.learning_rate
    )  # if the peak is below the minimum, the minimum is the peak

    def factor(step: int) -> float:
        step = int(min(max(0, step - begin), last))
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


def check_schedule(settings: Train, total_steps: int, steps_per_epoch: int = 1) -> list[str]:
    """Refuse a schedule that leaves a part of a run without a learning rate; return a warning where one only may.

    A warmup in epochs is only a warning: a documented format has one of 5 epochs by default, for runs of any length.

    Parameters
    ----------
    total_steps, steps_per_epoch
        As in `schedule`.

    Raises
    ------
    InputError
        The warmup takes all steps of the run, or the rate is 0 before its last step.
    """
    left, warmup = total_steps - settings.schedule_from * steps_per_epoch, _warmup(settings, steps_per_epoch)
    if left <= 0:
        return []
    epochs, in_warmup = left // steps_per_epoch, _ends_in_warmup(settings, total_steps, steps_per_epoch)
    if settings.warmup_steps >= left:
        raise InputError(
            f"train.warmup_steps {warmup} leaves none of the {left} optimizer steps of the run to the peak learning "
            f"rate: set it below {left}, or train longer"
        )
    factor = schedule(settings, total_steps, steps_per_epoch)(total_steps - 1)
    if (in_warmup or factor < _ZERO) and 0 < (settings.schedule_steps or 0) < left:
        # In brackets is its documented name.
        asked = f"schedule_steps (num_training_steps) {settings.schedule_steps} ends before the {left} steps"
        after = _AFTER_END if factor < _ZERO else _IN_WARMUP
        raise InputError(f"train.{asked} of the run, {after.format(left)}")
    if factor < _ZERO and 0 < (settings.schedule_epochs or 0) < epochs:
        asked = f"schedule_epochs {settings.schedule_epochs} ends before the {epochs} epochs"
        raise InputError(f"train.{asked} of the run, {_AFTER_END.format(epochs)}, or restart the schedule")
    if in_warmup and warmup < left:
        end, rate = _horizon(settings, total_steps, steps_per_epoch), settings.learning_rate * factor
        asked = (
            f"the schedule ends after {end} steps, in its warmup of {warmup}, and the learning rate stays at {rate:g}"
        )
        return [f"{asked}: restart the schedule with checkpoint.reset_schedule"]
    if warmup < left:
        return []
    asked = f"train.warmup_epochs {settings.warmup_epochs} leaves none of the {epochs} epochs of the run"
    return [f"{asked} to the peak learning rate: set it below {epochs}, or train longer"]


def _horizon(settings: Train, total_steps: int, steps_per_epoch: int) -> int:
    """Return the length of the schedule in steps, warmup included."""
    own = settings.schedule_steps or (settings.schedule_epochs or 0) * steps_per_epoch
    return own or total_steps - settings.schedule_from * steps_per_epoch


def _ends_in_warmup(settings: Train, total_steps: int, steps_per_epoch: int) -> bool:
    """Return whether the schedule ends before its peak; a constant one has no end."""
    horizon = _horizon(settings, total_steps, steps_per_epoch)
    return settings.schedule != "constant" and 0 < horizon <= _warmup(settings, steps_per_epoch)


def _warmup(settings: Train, steps_per_epoch: int) -> int:
    return settings.warmup_steps or settings.warmup_epochs * steps_per_epoch


class Average:
    """An exponential moving average of the weights that a step may change.

    Buffers are copied: a mean and a variance over the rows so far are averages already, and an average of them would
    still have a part of the values that they began with.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self._averaged = {name for name, _ in model.named_parameters(remove_duplicate=False)}
        self.weights = {name: value.detach().clone() for name, value in adapters.moving(model).items()}

    def update(self, model: nn.Module) -> None:
        """Move towards the model's weights by 1 − decay."""
        with torch.no_grad():
            for name, value in adapters.moving(model).items():
                average = self.weights[name]
                if name in self._averaged:
                    average.lerp_(value, 1 - self.decay)
                else:
                    average.copy_(value)

    @contextlib.contextmanager
    def applied(self, model: nn.Module) -> Iterator[None]:
        """Load the averaged weights into the model inside the block, then restore its own."""
        moving = adapters.moving(model)
        own = {name: value.clone() for name, value in moving.items()}
        for name, value in moving.items():
            value.copy_(self.weights[name])
        try:
            yield
        finally:
            for name, value in moving.items():
                value.copy_(own[name])

    def whole(self, model: nn.Module) -> dict[str, torch.Tensor]:
        """Return a state dict of the model with the averaged weights; of those alone, its tensors are not copies."""
        if not adapters.are_in(model):
            return dict(self.weights)
        with self.applied(model):
            whole = model.state_dict()
        return {**whole, **{name: value for name, value in self.weights.items() if name in whole}}
