"""The short trials of a search: their common setup, their values, and the training of one trial.

Trials use training rows only: one part of a sample for training, the other for validation. The values are learning
rates (log-uniform), the dropout before the head's layers, or also that inside the encoder (uniform), weight decay and
betas (each from a list).
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from accelerate import Accelerator
from torch import nn

from tithe import config, data, storage
from tithe.arrays import Rows
from tithe.checkpoints import tensors
from tithe.config.schema import SEARCHED
from tithe.data import grouping
from tithe.data.balance import resample
from tithe.data.splits import largest_remainder
from tithe.engines.shards import states_of
from tithe.errors import InputError
from tithe.models import inference, kernels
from tithe.models.examples import Examples
from tithe.tasks import Criterion, Task, open_task
from tithe.train import optimizer, trainer
from tithe.train.setup import Setup, open_setup
from tithe.train.step import Step
from tithe.train.trainer import FitOptions

if TYPE_CHECKING:
    import optuna

# Part of every key: increase it when the same settings would give other trials.
_VERSION = 1
_VAL_SHARE = 0.2  # share of the sample for validation

Values = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class SearchSetup:
    """Everything that the trials of a search share.

    Attributes
    ----------
    setup
        The run's data and network.
    run
        The config, with the micro-batch size of the search.
    tune
        The settings of the search.
    trainable
        The untrained network; trials train copies of it.
    train, val
        Training rows and validation rows of the trials.
    criterion
        The run's loss.
    steps
        Optimizer steps of the complete run.
    key
        Hash of everything that the trials depend on; identifies the search.
    """

    setup: Setup
    run: config.Run
    tune: config.Tune
    trainable: nn.Module
    train: Examples
    val: Examples
    criterion: Criterion
    steps: int
    key: str

    @property
    def task(self) -> Task:
        """The run's task."""
        return self.setup.task

    @property
    def accelerator(self) -> Accelerator:
        """Device and precision."""
        return self.setup.accelerator


def open_search(task: Task, accelerator: Accelerator) -> SearchSetup:
    """Load the data, draw the sample and build the network; see `open_setup` for a frozen encoder.

    Raises
    ------
    InputError
        The data can't be read, the encoder can't be loaded, the sample is too small, or the run's schedule is wrong.
    """
    run = task.run
    tune, splits = run.tune or config.Tune(), task.load()
    rows = np.unique(splits.train)  # upsampling repeats rows
    labels_N = splits.rows.labels[rows]
    train_rows, val_rows = sample(labels_N, tune.sample, run.seed, _groups(splits.rows.take(rows)))
    train_rows = train_rows[resample(labels_N[train_rows], run.data.upsample, run.data.downsample, run.seed)]
    setup = open_setup(task, splits, accelerator, states_of(run))
    train, val = setup.take(rows[train_rows]), setup.examples.take(rows[val_rows])
    own = splits.rows.take(rows[train_rows]).weights
    weights = data.class_weights(train.labels, len(splits.labels), own) if run.data.class_weights else None
    plan = trainer.plan(setup.examples.take(splits.train), run.train, run.seed)
    criterion = task.criterion(run.train.label_smoothing, weights)
    steps = plan.steps_per_epoch * run.train.epochs
    optimizer.check_schedule(run.train, steps, plan.steps_per_epoch)  # before the trials, not after them
    return SearchSetup(setup, run, tune, setup.network.trainable, train, val, criterion, steps, _key(setup, tune))


def _key(setup: Setup, tune: config.Tune) -> str:
    run = setup.run
    excluded = dict.fromkeys(("name", "out", "select", "checkpoint", "track", "tune", "engine", "cluster"), True)
    searched = {part: set(names) for part, names in SEARCHED.items()}
    settings = run.model_dump(mode="json", exclude={**excluded, **searched, "data": {"path"}})
    space = tune.model_dump(mode="json", exclude={"trials"})  # a search can be continued with more trials
    batch = run.train.batch_size * run.train.accumulation_steps
    rows = setup.splits.rows.take(setup.splits.train).fingerprint
    weights = tensors.sha256_of_all(setup.network.classifier.state_dict())
    return storage.digest([_VERSION, settings, space, batch, rows, setup.task.fingerprint(), weights])[:32]


def _groups(rows: data.Dataset) -> Rows | None:
    """Return the group of each row, None if the data has no groups."""
    if "group" not in rows.table.column_names:
        return None
    return np.unique(rows.column("group"), return_inverse=True)[1]


def sample(labels_N: Rows, share: float, seed: int, groups_N: Rows | None = None) -> tuple[Rows, Rows]:
    """Draw a sample of the rows, stratified by class, and split it into training and validation rows.

    Each class has at least one row in both; the row of a class with a single row is a training row.

    Parameters
    ----------
    groups_N
        Group of each row, shape (N,), from 0: no group is in both.

    Returns
    -------
    Sorted positions of the training rows, and of the validation rows.

    Raises
    ------
    InputError
        The share is too small for that.
    """
    sizes_C = np.bincount(labels_N)
    floor_C = np.minimum(sizes_C, 2)
    total, need = math.floor(share * len(labels_N) + 0.5), int(floor_C.sum())
    if total < need or floor_C.max() < 2:
        cure = f"set it to {math.ceil(1000 * need / len(labels_N)) / 1000:g} or more" if total < need else "add rows"
        raise InputError(
            f"tune.sample {share:g} of {len(labels_N)} training rows is {total}, but {np.count_nonzero(sizes_C)} "
            f"classes need {need}, two of each: {cure}"
        )
    if groups_N is not None:
        return _whole_groups(labels_N, groups_N, share, seed)
    want_C = np.maximum(share * sizes_C - floor_C, 0)
    counts_C = floor_C + largest_remainder(want_C, total - need, sizes_C - floor_C)
    rng = np.random.default_rng([seed, 0x7A3E])
    drawn = [rng.permutation(np.flatnonzero(labels_N == c))[:count] for c, count in enumerate(counts_C)]
    rows = np.sort(np.concatenate(drawn))
    cut = data.stratified(labels_N[rows], _VAL_SHARE, 0.0, seed)
    return rows[cut.train], rows[cut.val]


def _whole_groups(labels_N: Rows, groups_N: Rows, share: float, seed: int) -> tuple[Rows, Rows]:
    shares = share * (1 - _VAL_SHARE), share * _VAL_SHARE, 1 - share
    anywhere = np.repeat([[False], [False], [True]], labels_N.max() + 1, axis=1)  # the rest may lack a class
    part_N = grouping.divide(groups_N, labels_N, labels_N, shares, anywhere, seed)
    train, val = np.flatnonzero(part_N == 0), np.flatnonzero(part_N == 1)
    if missing := set(labels_N.tolist()) - (set(labels_N[train].tolist()) & set(labels_N[val].tolist())):
        raise InputError(
            f"tune.sample {share:g} has too few groups to train and validate on {len(missing)} of the classes: "
            "raise it, or add rows"
        )
    return train, val


def with_values(run: config.Run, values: Mapping[str, Mapping[str, Any]]) -> config.Run:
    """Return a config with changed values, given by section and setting.

    Raises
    ------
    InputError
        A value is out of range.
    """
    sections = {part: getattr(run, part) for part in values}
    checked = {
        part: config.section(type(section), {**section.model_dump(), **values[part]}, "tune")
        for part, section in sections.items()
    }
    return run.model_copy(update=checked)


def sampler(search: SearchSetup) -> Callable[[optuna.Trial], Values]:
    """Return a function that draws the values of an Optuna trial, without those that the network does not use."""
    tune = search.tune
    betas = {f"{first:g}, {second:g}": (first, second) for first, second in tune.betas}
    has_dropout = next(_dropouts(search.trainable), None) is not None
    is_whole = tune.dropout_of == "model" and not search.setup.network.is_frozen
    dropouts = SEARCHED["model"] if is_whole else ("dropout",)

    def draw(trial: optuna.Trial) -> Values:
        train: dict[str, Any] = {"learning_rate": trial.suggest_float("learning_rate", *tune.learning_rate, log=True)}
        if not search.setup.network.is_frozen:
            own = tune.encoder_learning_rate
            drawn = trial.suggest_float("encoder_learning_rate", *own, log=True) if own else None
            train["encoder_learning_rate"] = drawn
        train["weight_decay"] = trial.suggest_categorical("weight_decay", list(dict.fromkeys(tune.weight_decay)))
        train["betas"] = betas[trial.suggest_categorical("betas", list(betas))]
        model = {"model": dict.fromkeys(dropouts, trial.suggest_float("dropout", *tune.dropout))} if has_dropout else {}
        return {**model, "train": train}

    return draw


def _dropouts(model: nn.Module) -> Iterator[nn.Dropout | kernels.Dropout]:
    """Yield the dropouts before the layers of a head."""
    for module in model.get_submodule("head").modules():
        if isinstance(module, nn.Dropout | kernels.Dropout):
            yield module


def train_trial(search: SearchSetup, values: Values) -> Iterator[Step]:
    """Train a copy of the untrained network with given values; the last step of each epoch has validation scores.

    Raises
    ------
    Diverged
        See `trainer.fit`.
    """
    run, task, val = with_values(search.run, values), search.task, search.val
    model, autocast = _untrained(search, run), search.accelerator.autocast

    def validate(model: nn.Module) -> Mapping[str, float]:
        return task.scores(val.labels, inference.logits(model, val, task.rows_at_once, autocast=autocast))

    options = FitOptions(_shortened(search, run.train), run.seed, search.accelerator, run.data.num_workers)
    yield from trainer.fit(model, search.criterion, search.train, options, validate)


def _untrained(search: SearchSetup, run: config.Run) -> nn.Module:
    """Return the untrained network with the dropouts of a config; it is rebuilt if the encoder's differs."""
    if run.model.encoder_dropout != search.run.model.encoder_dropout:
        return open_task(run).build(search.setup.classes, run.seed)
    model = copy.deepcopy(search.trainable)
    for dropout in _dropouts(model):
        dropout.p = run.model.dropout
    return model


def _shortened(search: SearchSetup, settings: config.Train) -> config.Train:
    """Return the settings of a trial: the schedule covers its own steps, and the warmup the same share of them."""
    short: dict[str, Any] = {"epochs": search.tune.epochs, "validate_every": 1, "drop_last": False}
    short |= {"ema_decay": 0.0}  # an average over so few steps is mostly the initial weights
    short |= {"schedule_steps": None, "schedule_epochs": None, "schedule_from": 0, "warmup_epochs": 0}
    trial = settings.model_copy(update=short)
    own = trainer.plan(search.train, trial, search.run.seed).steps_per_epoch * trial.epochs
    warmup = settings.warmup_steps or settings.warmup_epochs * search.steps // settings.epochs
    return trial.model_copy(update={"warmup_steps": round(own * min(1.0, warmup / search.steps))})
