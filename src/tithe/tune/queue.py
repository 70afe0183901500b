"""The trials of a search in Optuna's journal, shared by processes; a killed process loses only its current trial.

Each trial has a number from 0; a search with N trials is done when each number below N has a finished one. A process
is alive while it holds its lock, which the system releases however the process ends. The unfinished trial of a dead
process fails, and is queued again with the same values.
"""

from __future__ import annotations

import contextlib
import uuid
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
from filelock import FileLock, Timeout

from tithe import config, metrics, plugins
from tithe.tune.journal import Journal

if TYPE_CHECKING:
    import optuna
    from optuna import Study

    Draw = Callable[[optuna.Trial], dict[str, Any]]

_NUMBER, _PROCESS, _RESULT = "number", "process", "told"  # names in the journal
_ALIVE = ".alive"  # suffix of the lock that a process holds during the search


class Queue:
    """The trials of one search; opened by `open_queue`."""

    def __init__(
        self, optuna: ModuleType, folder: Path, process: str, study: optuna.Study, settings: config.Tune, seed: int
    ) -> None:
        self._samplers, self._state = optuna.samplers, optuna.trial.TrialState
        self._folder, self._process, self._study = folder, process, study
        self._settings, self._seed = settings, seed

    def pending(self, count: int, draw: Draw) -> Iterator[tuple[optuna.Trial, dict[str, Any]] | None]:
        """Yield trials to run, each with its values, until `count` are finished; call `tell` for each.

        Parameters
        ----------
        draw
            Draws the values of a trial.

        Yields
        ------
        None while other processes run the last trials: the caller waits.
        """
        while True:
            with _lock(self._folder):
                self._queue_next(count)
                taken = self._take(draw)
            if taken is None and len(self.finished(count)) == count:
                return
            yield taken

    def finished(self, count: int) -> list[dict[str, Any]]:
        """Return the results of the finished trials with numbers below a count, sorted by number."""
        states = (self._state.COMPLETE, self._state.PRUNED)
        trials = self._study.get_trials(deepcopy=False, states=states)
        results = [{"number": trial_number(trial), **trial.user_attrs[_RESULT]} for trial in trials]
        return sorted((result for result in results if result["number"] < count), key=lambda r: int(r["number"]))

    def should_prune(self, trial: optuna.Trial, epoch: int, value: float) -> bool:
        """Report the value of a trial after an epoch; return whether it is worse than the median of earlier trials."""
        trial.report(value, epoch)
        return bool(trial.should_prune())

    def tell(self, trial: optuna.Trial, value: float | None, result: dict[str, Any]) -> None:
        """Finish a trial and save its result; the value is None if the trial was stopped early or diverged."""
        trial.set_user_attr(_RESULT, result)
        self._study.tell(trial, value, None if value is not None else self._state.PRUNED)

    def compute_once(self, name: str, compute: Callable[[], int]) -> int:
        """Return a number that the first process of the search computes for all of them."""
        with _lock(self._folder):
            if name not in self._study.user_attrs:
                self._study.set_user_attr(name, compute())
            return int(self._study.user_attrs[name])

    def _queue_next(self, count: int) -> None:
        """Fail the trials of dead processes, and queue the lowest number without a trial, with its earlier values."""
        alive, taken, params = self._alive(), set[int](), dict[int, dict[str, Any]]()
        for trial in self._study.get_trials(deepcopy=False):
            state, process = trial.state, trial.user_attrs.get(_PROCESS)
            if state == self._state.RUNNING and process not in alive:
                self._study.tell(trial.number, state=self._state.FAIL)
                state = self._state.FAIL
            if state != self._state.FAIL:
                taken.add(trial_number(trial))
            elif process:  # all its values were drawn
                params[trial_number(trial)] = dict(trial.params)
        if (left := set(range(count)) - taken) and not self._waiting():
            self._study.enqueue_trial(params.get(min(left), {}), user_attrs={_NUMBER: min(left)})

    def _waiting(self) -> list[optuna.trial.FrozenTrial]:
        """Return the queued trial, if there is one."""
        return list(self._study.get_trials(deepcopy=False, states=(self._state.WAITING,)))

    def _take(self, draw: Draw) -> tuple[optuna.Trial, dict[str, Any]] | None:
        """Take the queued trial, under the lock: other processes see it as taken and with all its values."""
        if not self._waiting():
            return None
        trial = self._study.ask()
        self._study.sampler = self._sampler(trial_number(trial))
        values = draw(trial)
        trial.set_user_attr(_PROCESS, self._process)
        return trial, values

    def _sampler(self, number: int) -> Any:
        """Return a sampler seeded by the seed and a trial's number: draws do not depend on the process or the time."""
        seed = int(np.random.default_rng([self._seed, 0x7E57, number]).integers(2**31))
        if self._settings.sampler == "random":
            return self._samplers.RandomSampler(seed)
        return self._samplers.TPESampler(seed=seed, constant_liar=True)

    def _alive(self) -> set[str]:
        """Return the other processes of the search that are alive; remove the locks of dead ones."""
        alive = set()
        for file in set(self._folder.glob(f"*{_ALIVE}")) - {self._folder / f"{self._process}{_ALIVE}"}:
            try:
                with FileLock(file).acquire(timeout=0):
                    file.unlink(missing_ok=True)
            except Timeout:
                alive.add(file.stem)
        return alive


@contextlib.contextmanager
def open_queue(folder: Path, name: str, settings: config.Tune, seed: int) -> Iterator[Queue]:
    """Open a search by its name in a folder's journal, or start it, and take part in it inside the block.

    Raises
    ------
    InputError
        Optuna is not installed.
    """
    optuna = plugins.require("optuna", extra="tune")
    process = uuid.uuid4().hex
    folder.mkdir(parents=True, exist_ok=True)
    with _quiet(optuna), contextlib.ExitStack() as locks:
        with _lock(folder):
            locks.enter_context(FileLock(folder / f"{process}{_ALIVE}"))
            study = _open_study(optuna, folder, name, settings)
        try:
            yield Queue(optuna, folder, process, study, settings, seed)
        finally:
            (folder / f"{process}{_ALIVE}").unlink(missing_ok=True)


def trial_number(trial: optuna.Trial | optuna.trial.FrozenTrial) -> int:
    """Return the number of a trial in its search, from 0."""
    return int(trial.user_attrs[_NUMBER])


def _lock(folder: Path) -> FileLock:
    return FileLock(folder / "search.lock")


def _open_study(optuna: ModuleType, folder: Path, name: str, settings: config.Tune) -> Study:
    # Not Optuna's own lock, which a killed process keeps for half a minute.
    backend = Journal(folder / "journal.log", FileLock(folder / "journal.lock"))
    study: Study = optuna.create_study(
        storage=optuna.storages.JournalStorage(backend),
        study_name=name,
        direction="minimize" if metrics.DIRECTION[settings.metric.removeprefix("val_")] == "min" else "maximize",
        pruner=optuna.pruners.MedianPruner() if settings.prune else optuna.pruners.NopPruner(),
        load_if_exists=True,
    )
    return study


@contextlib.contextmanager
def _quiet(optuna: ModuleType) -> Iterator[None]:
    """Silence Optuna's log and its warnings about experimental features."""
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(level)
