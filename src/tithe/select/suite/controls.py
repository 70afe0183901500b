"""Controls: what a selection is worth beyond its accuracy, measured on the same rows in other ways."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from tithe import config, metrics
from tithe.arrays import Array, Rows
from tithe.errors import InputError, did_you_mean
from tithe.models import encoders
from tithe.models.examples import Examples
from tithe.models.features import Features
from tithe.models.tokens import TextExamples
from tithe.select.choose import SelectionResult, choose_rows
from tithe.select.selection import Selection
from tithe.select.suite.grid import CONTROLS, NOT_OF_ALL, Grid
from tithe.select.suite.helped import with_same_help
from tithe.select.suite.probe import is_probed, probe
from tithe.select.suite.reader import WordReader
from tithe.tasks import open_checked
from tithe.train.setup import Setup, open_setup

Test = Callable[[Setup, SelectionResult], dict[str, Any]]  # trains on the rows; returns `metrics.summary` of the test


def default_controls(base: config.Run) -> tuple[str, ...]:
    """Return the controls that cost little: with a trained encoder, the others would double the time of a suite."""
    if base.model.freeze != "all":
        return ("reader",)
    return ("wrong", "reader") if _buys(base) else ("wrong", "help", "reader")


def named_controls(text: str) -> tuple[str, ...]:
    """Return the controls that a text names, separated by commas; `none` is none of them.

    Raises
    ------
    InputError
        It says none, and names some.
    """
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    if "none" in names and len(names) > 1:
        raise InputError(f"controls {text}: none leaves out all of them: write none alone, or drop it")
    return () if names == ("none",) else names


def check(grid: Grid, base: config.Run) -> None:
    """Refuse a control that does not exist, or has no meaning for a config, and a reader that is none.

    Raises
    ------
    InputError
        There is one.
    """
    names = grid.controls
    for name in names:
        if name not in CONTROLS:
            raise InputError(f"unknown control '{name}'{did_you_mean(name, CONTROLS)}; or none")
    if "finetune" in names and base.model.freeze != "all":
        raise InputError("control finetune: the trials of this config train the encoder already; leave it out")
    if "help" in names and _buys(base):
        raise InputError("control help: in track T0 no head of all labels gives weights or a penalty; leave it out")
    if grid.reader is not None:
        _check_reader(grid.reader, grid, base)


def _check_reader(encoder: str, grid: Grid, base: config.Run) -> None:
    if "reader" not in grid.controls:
        raise InputError(f"--reader {encoder}: the control reader does not run; add it to --controls")
    model = _reader_model(base, encoder)
    try:
        open_checked(base.model_copy(update={"model": model}))
    except InputError as error:
        raise InputError(f"--reader {encoder}: {error}") from None
    own, other = (Path(encoders.find(name)).resolve() for name in (base.model.encoder, model.encoder))
    if own == other:
        raise InputError(f"--reader {encoder} is the encoder of the trials: choose another one, or leave --reader out")


def _reader_model(base: config.Run, encoder: str) -> config.Model:
    """Return the settings of another encoder that only reads; none but the length of texts is the trials'."""
    values = {"encoder": encoder, "freeze": "all", "max_length": base.model.max_length}
    return config.section(config.Model, values, "--reader")


def _buys(base: config.Run) -> bool:
    return base.select is not None and base.select.track == "T0"


def missing(trial: dict[str, Any], grid: Grid) -> list[str]:
    """Return the controls that the record of a trial lacks; on all rows there are no wrong labels and no help."""
    done = {name for name, found in trial.get("controls", {}).items() if name != "reader" or _is_by(found, grid.reader)}
    of_all = set(NOT_OF_ALL) if trial["strategy"] == "all" else set()
    return [name for name in CONTROLS if name in grid.controls and name not in of_all | done]


def _is_by(found: Mapping[str, Any], reader: str | None) -> bool:
    """Say whether a record of another reader is by this encoder, or by words."""
    return found.get("encoder") == reader


class Controls:
    """The controls of the trials of one seed; what they share is made once.

    Parameters
    ----------
    setup
        That of the trials.
    test
        Trains and tests as a trial does.
    grid
        That of the suite.
    """

    def __init__(self, setup: Setup, test: Test, grid: Grid) -> None:
        self._setup, self._test, self._grid = setup, test, grid

    def run(self, name: str, result: SelectionResult) -> dict[str, Any]:
        """Return `metrics.summary` of the test rows under a control, for the rows that a trial chose.

        Another reader has its `encoder` besides, and a strategy that gives no help has nothing for the control `help`.
        """
        if name == "wrong":
            chosen = choose_rows(self._wrong, result.decided.model_copy(update={"floor": 0}), self._setup)
            return self._test(self._wrong, chosen)
        if name == "finetune":
            return self._test(self._trainable, result)
        if name == "help":
            helped = with_same_help(self._setup, result, is_probed(self._setup, self._grid.head))
            return self._test(self._setup, helped) if helped else {}
        return self._read(result.selection)

    def _read(self, selection: Selection) -> dict[str, Any]:
        if self._grid.reader is None:
            weight_K = self._setup.splits.weights_of(selection.rows, selection.weight)
            return self._words.read(selection.rows, weight_K)
        probs_MC, labels_M = probe(self._other, selection, None)
        return {**metrics.summary(labels_M, probs_MC), "encoder": self._grid.reader}

    @cached_property
    def _wrong(self) -> Setup:
        return with_wrong_labels(self._setup)

    @cached_property
    def _trainable(self) -> Setup:
        """The same data with an encoder that is trained, as it is by default."""
        return _reopened(self._setup, self._setup.run.model.model_copy(update={"freeze": "none"}))

    @cached_property
    def _other(self) -> Setup:
        """The same data, read by another encoder."""
        assert self._grid.reader is not None
        other = _reopened(self._setup, _reader_model(self._setup.run, self._grid.reader))
        if not other.network.on_features:
            raise InputError("--reader: the cache has no room for its features: raise TITHE_CACHE_GB")
        return other

    @cached_property
    def _words(self) -> WordReader:
        return WordReader(self._setup.splits)


def _reopened(setup: Setup, model: config.Model) -> Setup:
    """Return a setup of the same data with another model, and training as it is by default."""
    run = setup.run
    own = config.Train(**{name: getattr(run.train, name) for name in ("device", "precision", "batch_size")})
    task = open_checked(run.model_copy(update={"model": model, "train": own}))
    return open_setup(task, task.load(), setup.accelerator)


def with_wrong_labels(setup: Setup) -> Setup:
    """Return a setup all of whose training rows have wrong labels; its validation and test rows keep theirs."""
    splits, labels_N = setup.splits, setup.splits.rows.labels.copy()
    labels_N[splits.split.train] = wrong_labels(splits.pool_labels, setup.run.seed)
    return replace(
        setup,
        splits=replace(splits, rows=replace(splits.rows, labels=labels_N)),
        encoded=_relabelled(setup.encoded, labels_N),
        examples=_relabelled(setup.examples, labels_N),
    )


def wrong_labels(labels_N: Rows, seed: int) -> Rows:
    """Return another class for each row, drawn by the sizes of the others, shape (N,); a single class stays."""
    rng = np.random.default_rng([seed, 0xF415E])
    wrong_N = labels_N.copy()
    for label in np.unique(labels_N):
        own_N = labels_N == label
        if not own_N.all():
            wrong_N[own_N] = rng.choice(labels_N[~own_N], int(own_N.sum()))
    return wrong_N


def _relabelled(examples: Examples, labels_N: Array) -> Examples:
    if isinstance(examples, Features):
        return replace(examples, origin=_relabelled(examples.origin, labels_N))
    assert isinstance(examples, TextExamples)  # strategies choose among texts
    return replace(examples, labels=labels_N)
