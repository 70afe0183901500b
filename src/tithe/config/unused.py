"""Settings that a config changes and a run of it does not use, each with the reason."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from pydantic import BaseModel

from tithe.config.schema import Run
from tithe.config.values import Section
from tithe.errors import InputError


class Rule(NamedTuple):
    """Keys that have no effect, and when; see `changed`."""

    keys: tuple[str, ...]
    applies: Callable[[Any], bool]
    reason: str


def changed(settings: Section, keys: Iterable[str]) -> Iterator[tuple[str, Any]]:
    """Yield the keys, with their values, that differ from their defaults.

    A section means all of its keys; one that is not there by default, itself.
    """
    for key in keys:
        value, default = _look_up(settings, key)
        if isinstance(value, Section) and default is not None:
            inside = (f"{key}.{name}" for name in type(value).model_fields)
            yield from changed(settings, inside)
        elif value != default:
            yield key, value


def notes(settings: Section, rules: Sequence[Rule]) -> Iterator[str]:
    """Yield a line for each changed setting that has no effect."""
    for rule in rules:
        if rule.applies(settings):
            for key, value in changed(settings, rule.keys):
                yield f"{key} {_shown(value)} has no effect: {rule.reason}"


def refuse(run: Run, keys: Iterable[str], kind: str, task: str) -> None:
    """Refuse changed settings that are for one kind of inputs in the config of a task with another.

    Raises
    ------
    InputError
        One of them is changed.
    """
    for key, _ in changed(run, keys):
        raise InputError(f"{key} is for {kind}: leave it out of a config for {task}")


def _look_up(settings: Section, key: str) -> tuple[Any, Any]:
    """Return a setting and its default; two equal values if its section is not there."""
    value: Any = settings
    default: Any = None
    for name in key.split("."):
        if not isinstance(value, BaseModel):
            return None, None
        default = type(value).model_fields[name].default
        value = getattr(value, name)
    return value, default


def _shown(value: Any) -> str:
    return str(list(value) if isinstance(value, tuple) else value)


def _takes_all(run: Run) -> bool:
    return run.select is not None and run.select.strategy == "all"


_CHOICE = (
    "budget",
    "balance",
    "floor",
    "folds",
    "proxy_runs",
    "language_model",
    "scores",
    "rounds",
    "first",
    "seed",
    "part_rows",
)

# The settings of a native config that others of it make useless.
RUN: tuple[Rule, ...] = (
    Rule(("model.hidden_dim",), lambda run: run.model.head != "mlp", "only model.head mlp has a hidden layer"),
    Rule(
        (
            *("model.encoder_dropout", "train.encoder_learning_rate", "train.checkpoint_activations"),
            *("tune.encoder_learning_rate", "tune.dropout_of"),
        ),
        lambda run: run.frozen == "all",
        "the encoder stays as it is",
    ),
    Rule(
        ("train.num_cycles", "train.min_learning_rate"),
        lambda run: run.train.schedule != "cosine",
        "only train.schedule cosine has it",
    ),
    Rule(
        ("train.min_learning_rate",),
        lambda run: run.train.min_learning_rate > run.train.learning_rate,
        "it is above train.learning_rate, which stays as it is",
    ),
    Rule(
        ("train.schedule_steps", "train.schedule_epochs"),
        lambda run: run.train.schedule == "constant",
        "train.schedule constant has no end",
    ),
    Rule(("train.schedule_epochs",), lambda run: run.train.schedule_steps is not None, "train.schedule_steps is set"),
    Rule(("train.warmup_epochs",), lambda run: run.train.warmup_steps > 0, "train.warmup_steps is set"),
    Rule(
        ("train.careful_scaling",),
        lambda run: run.train.precision in ("no", "bf16"),
        "only train.precision fp16 scales the loss",
    ),
    Rule(("data.val_ratio",), lambda run: run.data.validation is not None, "data.validation is set"),
    Rule(("data.test_ratio",), lambda run: run.data.test is not None, "data.test is set"),
    Rule(
        ("data.class_weights",),
        lambda run: (run.data.upsample or run.data.downsample) and run.data.weight_column is None,
        "data.upsample and data.downsample give all classes the same size, and so the same weight",
    ),
    Rule(
        ("train.steps_of",),
        lambda run: run.select is None or run.select.strategy == "all",
        "without a selection all rows are trained on",
    ),
    Rule(
        ("images.encoder", "images.head", "images.hidden_dim", "images.lora", "images.far"),
        lambda run: run.images.mode != "foundation",
        "only images.mode foundation has an encoder",
    ),
    Rule(("images.hidden_dim",), lambda run: run.images.head != "mlp", "only images.head mlp has a hidden layer"),
    Rule(
        ("images.augment", "images.twins"),
        lambda run: run.images.has_frozen_encoder and run.train.cache_features,
        "images.mode foundation reads each image once; train.cache_features false changes it in every epoch",
    ),
    Rule(("images.margin",), lambda run: not run.images.ranking_weight, "images.ranking_weight is 0"),
    Rule(("track.tensorboard_dir",), lambda run: not run.track.tensorboard, "track.tensorboard is off"),
    Rule(tuple(f"select.{key}" for key in _CHOICE), _takes_all, "select.strategy all takes every row"),
    Rule(("select.first",), lambda run: run.select and run.select.rounds == 1, "select.rounds is 1"),
    Rule(("cluster",), lambda run: run.engine != "ray", "only engine ray has a cluster"),
    Rule(("tune.prune",), lambda run: run.tune and run.tune.epochs == 1, "tune.epochs is 1, so trials end anyway"),
)


def without_effect(run: Run) -> set[str]:
    """Return the keys of a native config that have no effect in its run, whatever their values are."""
    return {key for rule in RUN if rule.applies(run) for key in rule.keys}
