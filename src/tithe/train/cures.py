"""Settings that lower the memory of a run, each with what it would need, and the refusal of a run that will not fit."""

from __future__ import annotations

import contextlib
import functools
import logging
import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from tithe import config
from tithe.errors import InputError
from tithe.models import features
from tithe.models.classifier import Classifier
from tithe.models.partial import adapters, targets, word_table
from tithe.models.tokens import TextExamples
from tithe.tasks import ImageTask
from tithe.train import forecast, memory
from tithe.train.forecast import Forecast, Line, Subject

logger = logging.getLogger("tithe")

# Forecasts were 10 % above what was measured, or 25 % below it, where texts have many lengths and memory is in pieces.
_SURE, _CLOSE = 0.85, 1.25
_RANK, _FLOAT = 8, 4

Change = Callable[[Forecast], Forecast]


@dataclass(frozen=True)
class Cure:
    """A change of settings, and the forecast with it.

    Attributes
    ----------
    settings
        As they are passed to `--set`.
    keeps_result
        Whether the run ends with the same weights.
    """

    settings: str
    forecast: Forecast
    keeps_result: bool = True


def check(subject: Subject) -> None:
    """Refuse a run that will not fit into the free memory; warn where it is close.

    Raises
    ------
    InputError
        It will not fit; the message names settings with which it will.
    """
    free = memory.free_memory()
    if free is None or subject.is_on_features or not forecast.is_possible(subject.accelerator):
        return
    if _generous(subject) < free / 2:
        return  # without a second of looking closer
    try:
        expected = forecast.of(subject)
    except Exception:  # whatever an encoder raises: the trial pass says it in one line
        return
    if expected.growth * _CLOSE <= free:
        return
    needed = f"training needs about {amount(expected.growth)} of memory, and {amount(free)} are free"
    if expected.growth * _SURE <= free:
        logger.warning("%s: this is close, and the system may stop it", needed)
        return
    raise InputError(f"{needed}: {_advice(of(subject, expected), free)}")


def _generous(subject: Subject) -> float:
    """Return bytes that a run is sure not to need, from sizes alone; infinite where rows have no length.

    Eight numbers for each one that goes into a matrix or comes out of it, and three for every pair of tokens in each of
    sixteen heads of a layer, which has six matrices.
    """
    lengths = subject.examples.lengths
    if lengths is None:
        return math.inf
    sizes = [p.shape for p in subject.model.parameters() if p.ndim == 2]
    longest = int(lengths[subject.train_rows].max())
    row = 8 * longest * sum(sum(shape) for shape in sizes[1:]) + 8 * longest**2 * len(sizes)
    weights = sum(p.numel() for p in subject.model.parameters())
    return float(_FLOAT) * (5 * weights + subject.settings.batch_size * row) + forecast.KERNELS


def of(subject: Subject, expected: Forecast) -> list[Cure]:
    """Return what would lower a forecast: what keeps the result, one by one and together, and then the rest."""
    if subject.is_on_features:
        return []
    same = _same_result(subject, expected)
    cures = [Cure(settings, change(expected)) for settings, change in same.items()]
    if len(same) > 1:
        cures.append(Cure(" ".join(same), functools.reduce(lambda now, change: change(now), same.values(), expected)))
    if subject.settings.optimizer_state != "bf16" and not subject.settings.ema_decay:
        cures.append(Cure("train.optimizer_state=bf16", replace(expected, averages=expected.averages // 2), False))
    other = {**(_one_row(subject, expected) if _has_pairs(subject) else {}), **_fewer_weights(subject)}
    cures += [Cure(settings, change(expected), False) for settings, change in other.items()]
    return [cure for cure in cures if cure.forecast.growth < expected.growth]


def _advice(cures: list[Cure], free: int) -> str:
    fitting = [cure for cure in cures if cure.forecast.growth <= free]
    if not fitting:
        return "close other programs, or choose a smaller encoder"
    best = fitting[0]
    return f"set {best.settings} ({amount(best.forecast.growth)})"


def _same_result(subject: Subject, expected: Forecast) -> dict[str, Change]:
    """Return changes that keep the result, by their settings."""
    settings = subject.settings
    changes = {} if _has_pairs(subject) else _one_row(subject, expected)
    if (words := _unused_words(subject)) > 0:
        changes["model.trim_vocabulary=true"] = lambda f: _without(f, words, settings)
    if not settings.checkpoint_activations and (again := _computed_again(subject)):
        changes["train.checkpoint_activations=true"] = lambda f: replace(f, training=again)
    return changes


def _one_row(subject: Subject, expected: Forecast) -> dict[str, Change]:
    """Return the smallest micro-batch, by its settings; nothing where it has one row already."""
    rows = subject.settings.batch_size * subject.settings.accumulation_steps
    if expected.batch_size == 1:
        return {}
    return {f"train.batch_size=1 train.accumulation_steps={rows}": lambda f: replace(f, batch_size=1, accumulates=True)}


def _has_pairs(subject: Subject) -> bool:
    """Return whether the loss depends on which rows share a micro-batch: that of images ranks them in pairs."""
    return isinstance(subject.task, ImageTask) and subject.task.run.images.ranking_weight > 0


def _fewer_weights(subject: Subject) -> dict[str, Change]:
    """Return changes that train fewer weights, by their settings."""
    model, settings = subject.model, subject.settings
    if not isinstance(model, Classifier):
        return {}
    head = _FLOAT * sum(p.numel() for p in model.head.parameters())
    once = len(features.batches(subject.examples, subject.accelerator)[0])  # rows of a pass for features
    changes: dict[str, Change] = {
        "model.freeze=all": lambda f: replace(_training(f, head, settings), training=Line(), evaluated_rows=once)
    }
    with contextlib.suppress(InputError):  # it has no linear layers
        layers = [model.encoder.get_submodule(name) for name in targets.find(model.encoder, config.Lora())]
        factors = _FLOAT * _RANK * sum(sum(layer.weight.shape) for layer in layers)  # type: ignore[misc,arg-type]
        if not adapters.are_in(model):
            sums = 2 * _FLOAT * sum(layer.weight.numel() for layer in layers)  # type: ignore[misc,operator]
            changes = {f"model.lora.rank={_RANK}": lambda f: _training(f, head + factors, settings, sums), **changes}
    return changes


def _training(f: Forecast, trained: int, settings: config.Train, weights: int = 0) -> Forecast:
    return replace(f, weights=weights, gradients=trained, averages=_averages(trained, settings), table=0)


def _averages(trained: int, settings: config.Train) -> int:
    """Return the bytes of the averages of so many bytes of weights; few of them are not of matrices."""
    return (1 if settings.optimizer_state == "bf16" else 2) * trained + (trained if settings.ema_decay else 0)


def _without(f: Forecast, words: int, settings: config.Train) -> Forecast:
    return replace(
        f,
        weights=f.weights - words,
        gradients=f.gradients - words,
        averages=f.averages - _averages(words, settings),
        table=f.table - words,
    )


def _unused_words(subject: Subject) -> int:
    """Return the bytes of the encoder's words that the data do not have, if they are trained and need not be."""
    if not (isinstance(subject.model, Classifier) and isinstance(subject.examples, TextExamples)):
        return 0
    return word_table.spare_bytes(subject.model, subject.task.run, subject.examples)


def _computed_again(subject: Subject) -> Line | None:
    with contextlib.suppress(InputError):  # this encoder can't
        return forecast.training_line(subject, computes_again=True) if isinstance(subject.model, Classifier) else None
    return None


def amount(size: int) -> str:
    """Return a number of bytes as text, as in `2.7 GB` or `40 MB`."""
    return f"{size / 1e9:.1f} GB" if size >= 1e8 else f"{size / 1e6:.0f} MB"
