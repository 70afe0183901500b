"""Select training rows with a strategy, for a run, a config or a file."""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from tithe import config, engines, plugins, storage
from tithe.arrays import Rows
from tithe.config import unused
from tithe.console import counted
from tithe.data import Dataset, LabelMap, Splits, load_unsplit
from tithe.engines import Engine
from tithe.engines.shards import states_of
from tithe.models.features import Features
from tithe.report.html import Table
from tithe.report.result import table_html
from tithe.select import inner
from tithe.select.buying.ledger import Ledger
from tithe.select.buying.rescore import rescore_with_bought
from tithe.select.buying.tracks import check_track
from tithe.select.coverage import Mismatch, PartsError, cost_of_parts
from tithe.select.explain import explain
from tithe.select.filters import filtered, reason
from tithe.select.pool import Pool
from tithe.select.rescore import UNSCORED, Rescore, Rescored, rescore_with_model
from tithe.select.rounds import (
    History,
    check_budget,
    check_rounds,
    choose_round,
    decision_of,
    embeddings_change,
    strategy_of,
)
from tithe.select.selection import Selection
from tithe.select.settings import EMBEDDINGS, check_unedited, content_hashes, fingerprint, parse_options
from tithe.select.signals import own_files
from tithe.select.signals.gather import SignalInputs, compute_signals, warn_unused
from tithe.storage import cache
from tithe.tasks import Task, open_checked
from tithe.train import devices
from tithe.train.setup import Setup, open_setup

logger = logging.getLogger("tithe")

# Without effect if nothing is split.
_SPLITS = ("data.val_ratio", "data.test_ratio", "data.upsample", "data.downsample")


@dataclass(frozen=True)
class SelectionResult:
    """A selection with its pool, settings and cost. A notebook shows it as a table.

    Attributes
    ----------
    labels
        The classes.
    data
        The rows of the pool, in its order.
    seconds
        Time to compute the signals, also if they are from the cache, and time of the choice itself; of a strategy
        that compares others on an inner split, with the comparison.
    rounds
        Number, strategy and SHA-256 of the scoring model of each round.
    code
        What tells versions of the strategies, and of own files, apart; see `settings.content_hashes`.
    left_out
        Positions in the pool of the rows that each filter left out before the choice, by its name.
    decided
        The settings of the strategy that `settings` left the choice to, if any; else the same.
    parts
        What choosing in parts costs; None where nothing was divided.
    """

    pool: Pool
    selection: Selection
    settings: config.Select
    seed: int
    labels: LabelMap
    data: Dataset
    seconds: dict[str, float]
    rounds: tuple[dict[str, Any], ...]
    code: dict[str, str]
    left_out: Mapping[str, Rows]
    decided: config.Select
    parts: PartsError | Mismatch | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the classes."""
        return tuple(map(str, self.labels.names))

    @property
    def ids(self) -> Rows:
        """Positions of the chosen rows in the data file, shape (K,), in the order of the file."""
        return self.pool.ids[self.selection.rows]

    def _repr_html_(self) -> str:
        labels, chosen = self.pool.labels, self.pool.labels[self.selection.rows]
        counts = zip(*(np.bincount(codes, minlength=len(self.names)) for codes in (labels, chosen)), strict=True)
        rows = [(name, int(of), int(kept)) for name, (of, kept) in zip(self.names, counts, strict=True)]
        strategy = plugins.short_name(self.settings.strategy)
        title = f"{strategy}: {len(self.selection)} of {len(self.pool)} rows"
        facts = [("seed", self.seed), ("seconds", round(sum(self.seconds.values()), 1))]
        return table_html(title, Table(("class", "rows", "chosen"), rows), facts)


def choose_rows(setup: Setup, settings: config.Select, truth: Setup | None = None) -> SelectionResult:
    """Compute the signals that the strategy needs, and choose training rows in the configured number of rounds.

    Between rounds a model is trained on the rows chosen so far. An interrupted selection continues after its last
    finished round.

    Parameters
    ----------
    truth
        The same rows with their true labels, where those of the setup are wrong: of these the signals are made, while
        the strategy, and the models between rounds, have the labels of the setup.

    Raises
    ------
    InputError
        The strategy, an option, a signal or the budget is invalid.
    """
    asked, decided = settings, inner.decided(truth or setup, settings)
    settings = decided.settings
    inputs = SignalInputs(setup, settings)
    rescore = _rescore(inputs)
    journal, code = RoundJournal.open(inputs), content_hashes(settings, setup.run.data)
    history = journal.history()
    of_truth = SignalInputs(truth or setup, settings)
    pool, cost = compute_signals(of_truth, list({strategy_of(settings, 0), settings.strategy}))
    pool = Pool.of(None if settings.track == "T0" else inputs.data.labels, pool.ids, pool.signals)
    needs = set(plugins.load("strategies", settings.strategy).NEEDS)
    changing = needs - EMBEDDINGS if setup.run.data.embeddings else needs
    started = time.monotonic()
    left = filtered(pool, settings)
    left.log()
    if settings.retrain == "warm":  # the models of finished rounds, again: the next goes on with the last of them
        for number in range(1, history.done):
            is_earlier = history.rounds < number
            rescore(left.kept[history.rows[is_earlier]], history.weights[is_earlier])
    rounds_ = 1 if settings.strategy == "all" else settings.rounds
    for number in range(history.done, rounds_):
        found = rescore(left.kept[history.rows], history.weights) if number else UNSCORED
        scored = left.pool.with_signals({name: left.of(a) for name, a in found.signals.items() if name in changing})
        with _engine(setup.run, settings) as engine:
            history = choose_round(scored, left.settings, inputs.seed, history, found.evidence, engine)
        check_unedited(content_hashes(settings, setup.run.data), code)
        journal.add(number, history, found)
    selection = left.whole(history.selection())
    choice = time.monotonic() - started + decided.comparison
    seconds = {"signals": round(max(cost, decided.signals), 3), "choice": round(choice, 3)}
    share = f"{len(selection)} of {len(pool)} training rows"
    share += " with wrong labels" if truth else ""
    logger.info("%s chose %s in %.1f s", plugins.short_name(settings.strategy), share, sum(seconds.values()))
    if cost_of := cost_of_parts(left.pool, left.settings, inputs.seed, history.selection()):
        logger.info("%s", cost_of.sentence())
    pool = Pool.of(inputs.data.labels, pool.ids, pool.signals)  # the choice is over: reports count classes
    rows = inputs.labels, inputs.data
    rounds, code = ({**journal.rounds[0], **decided.why}, *journal.rounds[1:]), content_hashes(asked, setup.run.data)
    result = SelectionResult(pool, selection, asked, inputs.seed, *rows, seconds, rounds, code, left.left_out, settings)
    return replace(result, parts=cost_of)


def _engine(run: config.Run, settings: config.Select) -> AbstractContextManager[Engine | None]:
    """Return the engine that picks from parts; None, this process, where the rows are not divided."""
    return engines.opened(run.engine, run.cluster) if settings.part_rows else nullcontext()


def _rescore(inputs: SignalInputs) -> Rescore:
    setup, warm = inputs.setup, inputs.settings.retrain == "warm"
    if inputs.settings.track == "T0":
        return rescore_with_bought(setup, Ledger(inputs.data.labels), inputs.fixed_embeddings, warm)
    return rescore_with_model(setup, warm)


@dataclass
class RoundJournal:
    """The finished rounds of a selection, stored in the cache so that it can be resumed.

    Attributes
    ----------
    folder
        Contains one file per finished round, with a hash: a round whose file is damaged is computed again.
    rounds
        Number, strategy, SHA-256 of the scoring model and rows so far, of each round.
    """

    folder: Path
    settings: config.Select
    rounds: list[dict[str, Any]]

    @classmethod
    def open(cls, inputs: SignalInputs) -> RoundJournal:
        """Open the journal of a selection, with the rounds that an earlier process finished."""
        settings = inputs.settings
        own = fingerprint(settings, inputs.setup.run.data)
        key = [inputs.data.fingerprint, inputs.embeddings_key, inputs.training_key, own]
        folder = cache.place("rounds", storage.digest([*key, inputs.seed]))
        files = [folder / f"{number}.json" for number in range(settings.rounds if settings.rounds > 1 else 0)]
        finished = itertools.takewhile(lambda round_: round_ is not None, map(storage.read_sealed, files))
        return cls(folder, settings, [round_ for round_ in finished if round_ is not None])

    def history(self) -> History:
        """Return the rows chosen up to the last finished round."""
        return History.from_json(self.rounds[-1]["history"]) if self.rounds else History.empty()

    def add(self, number: int, history: History, found: Rescored) -> None:
        """Record a finished round: its strategy and why, the model that scored the rows, the rows so far."""
        decision = decision_of(self.settings, number, found.evidence)
        name = plugins.short_name(decision.strategy)
        entry = {"round": number, "strategy": name, "model_sha256": found.model_sha256}
        if found.evidence:
            entry["evidence"] = asdict(found.evidence)
        if decision.reason:
            entry |= {"options": dict(decision.options), "reason": decision.reason}
        self.rounds.append({**entry, "history": history.as_json()})
        if self.settings.rounds > 1:
            storage.write_sealed(self.folder / f"{number}.json", self.rounds[-1])
            why = f" ({decision.reason})" if decision.reason else ""
            place = f"{number + 1} of {self.settings.rounds}"
            logger.info("round %s: %s%s, %s so far", place, name, why, counted(len(history.rows), "row"))


def select_from_all(run: config.Run, settings: config.Select) -> SelectionResult:
    """Select from all usable rows of a config's data.

    Raises
    ------
    InputError
        The data, the encoder or the settings are invalid.
    """
    for key, value in unused.changed(run, _SPLITS):
        logger.warning("%s %s has no effect: all rows of %s are in the pool", key, value, run.data.path)
    return _select(run, settings, lambda task: load_unsplit(task.run.data))


def select_from_config(run: config.Run, settings: config.Select) -> SelectionResult:
    """Select from the training rows of a config, as a run of it would.

    Raises
    ------
    InputError
        The data, the encoder or the settings are invalid.
    """
    return _select(run, settings, lambda task: task.load())


def _select(run: config.Run, settings: config.Select, load: Callable[[Task], Splits]) -> SelectionResult:
    parse_options(plugins.load("strategies", settings.strategy), settings)
    check_rounds(settings, embeddings_change(run))
    check_track(settings)
    own_files.check(settings, run.data)
    warn_unused(settings, run.data)
    if _needs_no_encoder(run, settings):
        run = run.model_copy(update={"train": run.train.model_copy(update={"cache_features": False})})
    accelerator = devices.accelerator(run.train.device, run.train.precision)
    task = open_checked(run)
    splits = load(task)
    check_budget(splits.pool_labels, settings)
    own_files.check_rows(settings, run.data, splits)
    setup = open_setup(task, splits, accelerator, states_of(run))
    result = choose_rows(setup, settings)
    at_hand = run.data.embeddings or isinstance(setup.examples, Features)
    if at_hand and "embeddings" not in result.pool.signals:  # so the map can be drawn for any strategy
        embeddings = SignalInputs(setup, settings).embeddings
        return replace(result, pool=result.pool.with_signals({"embeddings": embeddings}))
    return result


def _needs_no_encoder(run: config.Run, settings: config.Select) -> bool:
    """Say whether own embeddings save the pass of a frozen encoder: no model of its features is trained in rounds."""
    return run.data.embeddings is not None and (settings.rounds == 1 or settings.track == "T0")


def explain_row(result: SelectionResult, row: int) -> str:
    """Return why a row of the data file was chosen or not; see `explain.explain`."""
    pool, selection, (places,) = result.pool, result.selection, np.nonzero(result.pool.ids == row)
    if len(places) and (why := reason(pool, result.left_out, result.names, int(places[0]))):
        return why
    if result.left_out:  # a strategy has scores for the rows that it saw
        kept = np.setdiff1d(np.arange(len(pool)), np.concatenate(list(result.left_out.values())))
        pool, selection = pool.take(kept), replace(selection, rows=np.searchsorted(kept, selection.rows))
    said = explain(pool, selection, result.decided, result.seed, result.names, row)
    (at,) = np.nonzero(result.pool.ids[result.selection.rows] == row)
    entry = result.rounds[int(result.selection.round[at[0]]) if len(at) else -1]
    if "reason" not in entry:
        return said
    return f"{said}; {plugins.short_name(result.settings.strategy)} left this to {entry['strategy']}: {entry['reason']}"
