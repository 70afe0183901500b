"""The training loop: a generator of Steps, independent of the modality, that resumes exactly."""

from __future__ import annotations

import contextlib
import logging
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import torch
from accelerate import Accelerator
from torch import nn

from tithe.arrays import Rows
from tithe.checkpoints.state import TrainState
from tithe.config import Train
from tithe.errors import TitheError
from tithe.models.examples import Batch, Examples, Varied, total_weight
from tithe.models.partial import adapters
from tithe.tasks import Criterion, Parts
from tithe.train import optimizer
from tithe.train.batch_plan import Plan
from tithe.train.loader import collated, timed
from tithe.train.random_stream import RandomStream
from tithe.train.step import Step

logger = logging.getLogger("tithe")

Validate = Callable[[nn.Module], Mapping[str, float]]


class Diverged(TitheError):
    """The loss or the gradient is not finite."""


def plan(examples: Examples, settings: Train, seed: int) -> Plan:
    """Return the order of rows that `fit` uses."""
    lengths = examples.lengths if settings.group_by_length else None
    groups = examples.groups if isinstance(examples, Varied) else None
    sizes = settings.batch_size, settings.accumulation_steps
    return Plan(lengths, len(examples), *sizes, seed, settings.drop_last, groups)


@dataclass(frozen=True)
class FitOptions:
    """How to train.

    Attributes
    ----------
    settings
        The config's `train` section.
    seed
        Determines the order of rows, with the epoch, and the run's random stream.
    accelerator
        Device, precision, processes.
    num_workers
        Processes that collate batches ahead.
    steps_per_epoch
        Optimizer steps that an epoch means where the settings count epochs (their number, the schedule); those of a
        pass over the training rows when unset. With another number the last pass may be cut.
    """

    settings: Train
    seed: int
    accelerator: Accelerator
    num_workers: int = 0
    steps_per_epoch: int | None = None


def fit(
    model: nn.Module,
    criterion: Criterion,
    train: Examples,
    options: FitOptions,
    validate: Validate | None = None,
    start: TrainState | None = None,
) -> Iterator[Step]:
    """Train `model` in place, yielding after every optimizer step.

    Parameters
    ----------
    model
        Maps a batch to logits; moved to the accelerator's device.
    criterion
        Maps (logits, batch) to the *sum* of the rows' losses, and may return the sums of its parts too. The loop
        divides by the number of rows of the optimizer step, or by the sum of their weights, so that accumulation and
        several processes give the gradient of the full batch.
    train
        Training rows.
    validate
        Called with the model (with averaged weights, if any) after every `validate_every`-th epoch and the last step.
    start
        State to resume from; the remaining steps are those of the uninterrupted run.

    Raises
    ------
    Diverged
        A loss or gradient norm is not finite; the message names the step and its rows.
    """
    accelerator = options.accelerator
    loop = _Loop(model, criterion, train, options)
    if start is not None:
        loop.restore(start)
    remaining = range(loop.position, loop.total)
    if remaining:
        share = accelerator.process_index, accelerator.num_processes
        pinned = accelerator.device.type == "cuda"
        items = collated(train, loop.plan, remaining, share, options.num_workers, pinned)
        for wait_seconds, (rows, batches) in timed(items):
            yield loop.advance(rows, batches, wait_seconds, validate)


class _Loop:
    """The mutable state of `fit`, as saved in a checkpoint, and the method that takes a step."""

    def __init__(self, model: nn.Module, criterion: Criterion, train: Examples, options: FitOptions) -> None:
        settings, seed, accelerator = options.settings, options.seed, options.accelerator
        self.model = model.to(accelerator.device).train()
        self.forward: nn.Module = self.model
        if accelerator.num_processes > 1:
            self.forward = nn.parallel.DistributedDataParallel(self.model)
        self.criterion, self.train, self.settings, self.accelerator = criterion, train, settings, accelerator
        self.plan = plan(train, settings, seed)
        self.optimizer = optimizer.adamw(model, settings)
        per_epoch = options.steps_per_epoch or self.plan.steps_per_epoch
        self.total = settings.epochs * per_epoch
        factor = optimizer.schedule(settings, self.total, per_epoch)
        self.scheduler = torch.optim.lr_scheduler.LambdaLR(self.optimizer, factor)
        self.random = RandomStream(seed + accelerator.process_index, accelerator.device)
        self.ema = optimizer.Average(self.model, settings.ema_decay) if settings.ema_decay else None
        self.epoch = self.step_in_epoch = self.step = self.batches = 0
        self.pieces = 1

    @property
    def position(self) -> int:
        """Steps done in the order of rows; `step` differs if a run continued with batches of another size."""
        return self.epoch * self.plan.steps_per_epoch + self.step_in_epoch

    def advance(self, rows: Rows, batches: list[Batch], wait_seconds: float, validate: Validate | None) -> Step:
        """Take one optimizer step and, at the end of an epoch, validate."""
        loss, parts = self._backward(rows, batches)
        lr = tuple(float(group["lr"]) for group in self.optimizer.param_groups)
        norm = self._update(rows)
        self.scheduler.step()
        if self.ema:
            self.ema.update(self.model)
        epoch = self.epoch + 1
        self.step += 1
        self.batches += -(-len(rows) // self.settings.batch_size)
        self.step_in_epoch += 1
        scores, is_last = None, self.position == self.total
        ends = is_last or self.step_in_epoch == self.plan.steps_per_epoch
        if self.step_in_epoch == self.plan.steps_per_epoch:
            self.epoch, self.step_in_epoch = epoch, 0
        if ends and validate and (epoch % self.settings.validate_every == 0 or is_last):
            with self.ema.applied(self.model) if self.ema else contextlib.nullcontext():
                scores = validate(self.model)
        return Step(
            *(
                epoch,
                self.step,
                self.batches,
                loss,
                lr,
                norm,
                parts,
                len(rows),
                wait_seconds,
                ends,
                scores,
                self.snapshot,
            )
        )

    def _backward(self, rows: Rows, batches: list[Batch]) -> tuple[float, dict[str, float]]:
        """Compute the gradients of the mean loss over the step's rows; return that loss and its parts."""
        while True:
            try:
                with self.random.active():
                    return self._try_backward(rows, batches)
            except torch.OutOfMemoryError:
                # Only the micro-batch shrinks: the optimizer batch, and with it the result, does not change, but for
                # the pairs of the ranking loss of images, which are within a micro-batch.
                if self.pieces >= self.settings.batch_size or self.accelerator.num_processes > 1:
                    raise
                self.pieces *= 2
                size = -(-self.settings.batch_size // self.pieces)
                logger.warning(
                    "out of memory at step %d: continuing with micro-batches of %d rows", self.step + 1, size
                )
                self.optimizer.zero_grad()
                torch.cuda.empty_cache()

    def _try_backward(self, rows: Rows, batches: list[Batch]) -> tuple[float, dict[str, float]]:
        world = self.accelerator.num_processes
        has_rows, divisor = float(self.accelerator.process_index < len(rows)), total_weight(self.train, rows)
        total = torch.zeros((), device=self.accelerator.device)
        totals: Parts = {}
        pieces = [piece for batch in batches for piece in _cut(batch, self.pieces)]
        for i, batch in enumerate(pieces):
            batch = {k: v.to(self.accelerator.device, non_blocking=True) for k, v in batch.items()}
            last = i == len(pieces) - 1
            with contextlib.nullcontext() if last else self.accelerator.no_sync(self.forward):
                with self.accelerator.autocast():
                    logits = self.forward(batch)
                result = self.criterion(logits, batch)
                loss, parts = result if isinstance(result, tuple) else (result, {})
                loss = loss * has_rows
                total += loss.detach()
                for name, part in parts.items():
                    totals[name] = totals.get(name, 0) + part.detach() * has_rows
                # Processes average their gradients: multiplied by `world`, the average is the sum over all rows.
                self.accelerator.backward(loss * (world / divisor))
        if world > 1:
            total, totals = self.accelerator.reduce((total, totals))
        mean = float(total) / divisor
        self._check(mean, "loss", rows)
        return mean, {name: float(part) / divisor for name, part in totals.items()}

    def _update(self, rows: Rows) -> float | None:
        """Clip and apply the gradients; return their norm before clipping."""
        scaler, limit, norm = self.accelerator.scaler, self.settings.clip_norm, None
        if scaler:
            scaler.unscale_(self.optimizer)
        if limit:
            gradients = [p.grad for p in self.model.parameters() if p.grad is not None]
            norm = optimizer.gradient_norm(gradients)
            excess = torch.clamp((norm + 1e-6) / limit, min=1.0)
            if scaler:  # it detects overflow itself, skips the step and lowers its scale
                torch._foreach_div_(gradients, excess)
            else:
                self._check(float(norm), "gradient norm", rows)
                # The fused optimizer divides by this while it reads the gradient: no additional pass over memory.
                self.optimizer.grad_scale, self.optimizer.found_inf = excess, None  # type: ignore[attr-defined]
        if scaler:
            scaler.step(self.optimizer)
            scaler.update()
        else:
            self.optimizer.step()
        self.optimizer.zero_grad()
        return None if norm is None else float(norm)

    def _check(self, value: float, what: str, rows: Rows) -> None:
        if math.isfinite(value):
            return
        ids = self.train.ids[rows]
        named = ", ".join(str(i) for i in ids[:16]) + (", …" if len(ids) > 16 else "")
        raise Diverged(
            f"the {what} is {value} at epoch {self.epoch + 1}, step {self.step + 1} (rows {named} of the data file): "
            f"lower train.learning_rate, or set train.precision to no"
        )

    def snapshot(self) -> TrainState:
        """Return the state after the last step; its tensors are not copies."""
        scaler = self.accelerator.scaler
        return TrainState(
            model=self.model.state_dict(),
            optimizer=self.optimizer.state_dict(),
            scheduler=self.scheduler.state_dict(),
            rng=self.random.gathered(),
            scaler=scaler.state_dict() if scaler else None,
            ema=self.ema.whole(self.model) if self.ema else None,
            adapters=adapters.state(self.model, self.ema.weights if self.ema else {}),
            progress={
                "epoch": self.epoch,
                "step_in_epoch": self.step_in_epoch,
                "step": self.step,
                "batches": self.batches,
            },
        )

    def restore(self, state: TrainState) -> None:
        """Restore the state of a snapshot."""
        self.model.load_state_dict(state.model)
        adapters.load(self.model, state)
        own = [{name: value for name, value in g.items() if name != "params"} for g in self.optimizer.param_groups]
        self.optimizer.load_state_dict(state.optimizer)
        self.scheduler.load_state_dict({**state.scheduler, "base_lrs": [group["initial_lr"] for group in own]})
        for group, settings, factor in zip(self.optimizer.param_groups, own, self.scheduler.lr_lambdas, strict=True):
            # The settings and the schedule are those of the config; for an unchanged run they equal the saved ones.
            group.update({**settings, "lr": settings["initial_lr"] * factor(self.scheduler.last_epoch)})
        if state.rng:  # a single file has none
            self.random.restore(state.rng)
        if self.ema:  # one that the state lacks begins at its weights, not at the untrained ones
            averaged = adapters.averages(state) or adapters.moving(self.model)
            self.ema.weights = {k: v.to(self.accelerator.device, copy=True) for k, v in averaged.items()}
        if self.accelerator.scaler and state.scaler:  # an empty state, saved without a GPU, would raise
            self.accelerator.scaler.load_state_dict(state.scaler)
        for name in ("epoch", "step_in_epoch", "step", "batches"):
            setattr(self, name, int(state.progress[name]))


def _cut(batch: Batch, pieces: int) -> list[Batch]:
    """Split a batch along its rows into at most `pieces` parts."""
    if pieces == 1:
        return [batch]
    parts = {name: tensor.chunk(pieces) for name, tensor in batch.items()}
    count = min(len(part) for part in parts.values())
    return [{name: part[i] for name, part in parts.items()} for i in range(count)]
