"""Controls: what a selection is worth beyond its accuracy, measured on the same rows in other ways."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np

from tithe import config
from tithe.arrays import Array, Rows
from tithe.errors import InputError, did_you_mean
from tithe.models.examples import Examples
from tithe.models.features import Features
from tithe.models.tokens import TextExamples
from tithe.select.choose import SelectionResult, choose_rows
from tithe.select.suite.grid import CONTROLS
from tithe.select.suite.reader import WordReader
from tithe.tasks import open_checked
from tithe.train.setup import Setup, open_setup

Test = Callable[[Setup, SelectionResult], dict[str, Any]]  # trains on the rows; returns `metrics.summary` of the test


def default_controls(base: config.Run) -> tuple[str, ...]:
    """Return the controls that cost little: with a trained encoder, wrong labels would double the time of a suite."""
    return ("wrong", "reader") if base.model.freeze == "all" else ("reader",)


def check(names: Sequence[str], base: config.Run) -> None:
    """Refuse a control that does not exist, or has no meaning for a config.

    Raises
    ------
    InputError
        There is one.
    """
    for name in names:
        if name not in CONTROLS:
            raise InputError(f"unknown control '{name}'{did_you_mean(name, CONTROLS)}; or none")
    if "finetune" in names and base.model.freeze != "all":
        raise InputError("control finetune: the trials of this config train the encoder already; leave it out")


def missing(trial: dict[str, Any], names: Collection[str]) -> list[str]:
    """Return the controls that the record of a trial lacks; on all rows nothing is chosen by wrong labels."""
    of_all = {"wrong"} if trial["strategy"] == "all" else set()
    return [name for name in CONTROLS if name in names and name not in {*of_all, *trial.get("controls", {})}]


class Controls:
    """The controls of the trials of one seed; what they share is made once.

    Parameters
    ----------
    setup
        That of the trials.
    test
        Trains and tests as a trial does.
    """

    def __init__(self, setup: Setup, test: Test) -> None:
        self._setup, self._test = setup, test

    def run(self, name: str, result: SelectionResult) -> dict[str, Any]:
        """Return `metrics.summary` of the test rows under a control, for the rows that a trial chose."""
        if name == "wrong":
            chosen = choose_rows(self._wrong, result.decided.model_copy(update={"floor": 0}), self._setup)
            return self._test(self._wrong, chosen)
        if name == "finetune":
            return self._test(self._trainable, result)
        return self._words.read(result.selection.rows, result.selection.weight)

    @cached_property
    def _wrong(self) -> Setup:
        return with_wrong_labels(self._setup)

    @cached_property
    def _trainable(self) -> Setup:
        """The same data with an encoder that is trained, as it is by default."""
        run = self._setup.run
        own = config.Train(**{name: getattr(run.train, name) for name in ("device", "precision", "batch_size")})
        changes = {"model": run.model.model_copy(update={"freeze": "none"}), "train": own}
        task = open_checked(run.model_copy(update=changes))
        return open_setup(task, task.load(), self._setup.accelerator)

    @cached_property
    def _words(self) -> WordReader:
        return WordReader(self._setup.splits)


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
