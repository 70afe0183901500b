"""From a run's training rows to the part of them that a strategy chooses, with an account of how."""

from __future__ import annotations

import itertools
import logging
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from accelerate import Accelerator
from torch import nn

from tithe import config, data, plugins, storage
from tithe.errors import InputError
from tithe.models import features, network
from tithe.progress import bar
from tithe.select.explain import explain
from tithe.select.pool import Pool
from tithe.select.rescore import Rescore, rescore_with_model
from tithe.select.rounds import History, choose_round, strategy_of
from tithe.select.selection import Selection, parse_options
from tithe.select.signals.gather import SignalInputs, compute_signals
from tithe.storage import cache
from tithe.train import devices

logger = logging.getLogger("tithe")


@dataclass(frozen=True)
class SelectionResult:
    """A selection, the pool it is from, and what it cost.

    Attributes
    ----------
    names
        The classes.
    seconds
        Of the signals when they were computed, and of the choice itself.
    rounds
        Number, strategy and the scoring model's SHA-256 of each round.
    """

    pool: Pool
    selection: Selection
    settings: config.Select
    seed: int
    names: tuple[str, ...]
    seconds: dict[str, float]
    rounds: tuple[dict[str, Any], ...]


def signal_inputs(
    run: config.Run,
    settings: config.Select,
    everything: data.Dataset,
    labels: data.LabelMap,
    rows: Any,
    examples: Any,
    task: Any,
    model: nn.Module,
    accelerator: Accelerator,
) -> SignalInputs:
    """Return what signals are computed from.

    Parameters
    ----------
    rows
        Positions of the training rows in `everything`; no other row is looked at but by the encoder.
    examples
        Everything as the task encodes it.
    model
        Its encoder gives the embeddings, as it is.
    """
    seed = run.seed if settings.seed is None else settings.seed
    made_by = {**network.encoder_identity(model, task), "pooling": task.pooling, "attention": run.model.attention}

    def embeddings() -> Any:
        found = features.cached(model, examples, made_by, accelerator)
        if found is None:
            raise InputError("the cache has no room for embeddings: raise TITHE_CACHE_GB, or choose another strategy")
        return found.values[rows]

    return SignalInputs(
        everything.take(rows),
        labels,
        examples.take(rows),
        embeddings,
        storage.digest([made_by, accelerator.mixed_precision]),
        {name: getattr(run, name).model_dump(mode="json") for name in ("model", "train")},
        settings,
        seed,
        accelerator,
    )


def choose_rows(origin: SignalInputs, rescore: Rescore) -> SelectionResult:
    """Compute what the strategy needs and let it choose, in as many rounds as the settings say.

    A choice in rounds that was stopped goes on after the last round that was finished.

    Parameters
    ----------
    rescore
        Called between two rounds with the rows chosen so far.

    Raises
    ------
    InputError
        The strategy, an option, a signal or the budget is wrong.
    """
    settings, story = origin.settings, RoundJournal.of(origin)
    history = story.history()
    pool, cost = compute_signals(origin, list({strategy_of(settings, 0), settings.strategy}))
    begun = time.monotonic()
    rounds_ = 1 if settings.strategy == "all" else settings.rounds
    for number in range(history.done, rounds_):
        current, model = rescore(history.rows) if number else ({}, None)
        scored = pool.with_signals({name: array for name, array in current.items() if name in pool.signals})
        history = choose_round(scored, settings, origin.seed, history)
        story.add(number, history, model)
    found = history.selection()
    seconds = {"signals": round(cost, 3), "choice": round(time.monotonic() - begun, 3)}
    share = f"{len(found)} of {len(pool)} training rows"
    logger.info("%s chose %s in %.1f s", settings.strategy, share, sum(seconds.values()))
    names = tuple(map(str, origin.labels.names))
    return SelectionResult(pool, found, settings, origin.seed, names, seconds, tuple(story.told))


@dataclass
class RoundJournal:
    """What happened in each round, kept in the cache while a choice in several rounds is under way."""

    folder: Path
    settings: config.Select
    told: list[dict[str, Any]]

    @classmethod
    def of(cls, origin: SignalInputs) -> RoundJournal:
        """Open the story of a choice, as far as it has been told."""
        settings = origin.settings
        made_of = [origin.data.fingerprint, origin.identity, origin.trained_as, settings.model_dump(mode="json")]
        folder = cache.place("rounds", storage.digest([*made_of, origin.seed]))
        files = [folder / f"{number}.json" for number in range(settings.rounds if settings.rounds > 1 else 0)]
        there = itertools.takewhile(Path.is_file, files)
        return cls(folder, settings, [storage.read_json(file) for file in there])

    def history(self) -> History:
        """Return what the last finished round left."""
        return History.from_json(self.told[-1]["history"]) if self.told else History.empty()

    def add(self, number: int, history: History, model: str | None) -> None:
        """Tell one more round: which strategy, by which model's thoughts, and what there is now."""
        name = strategy_of(self.settings, number)
        self.told.append({"round": number, "strategy": name, "model_sha256": model, "history": history.as_json()})
        if self.settings.rounds > 1:
            storage.write_json(self.folder / f"{number}.json", self.told[-1])
            logger.info("round %d of %d: %s, %d rows so far", number + 1, self.settings.rounds, name, len(history.rows))


def select_from_file(
    path: Path, settings: config.Select, columns: dict[str, str], encoder: str, max_length: int
) -> SelectionResult:
    """Choose from all usable rows of a labelled file.

    Raises
    ------
    InputError
        The file, the encoder or the settings are wrong.
    """
    model = {"encoder": encoder, "max_length": max_length, "freeze": "all"}
    run = config.parse({"data": {"path": str(path), **columns}, "model": model})
    everything, labels, _ = data.ingest(run.data)
    return _chosen_of(run, settings, everything, labels, np.arange(len(everything)))


def select_from_config(run: config.Run, settings: config.Select) -> SelectionResult:
    """Choose from the training rows of a config's split, as a run of it would.

    Raises
    ------
    InputError
        The data, the encoder or the settings are wrong.
    """
    splits = data.load(run.data, run.seed)
    return _chosen_of(run, settings, splits.everything, splits.labels, splits.split.train)


def _chosen_of(
    run: config.Run, settings: config.Select, everything: data.Dataset, labels: data.LabelMap, rows: Any
) -> SelectionResult:
    parse_options(plugins.load("strategies", settings.strategy), settings)
    accelerator = devices.accelerator(run.train.device, run.train.precision)
    task = plugins.load("tasks", run.task).open_task(run)
    with bar("tokenising", len(everything), "texts") as tick:
        encoded = task.encode(everything, tick)
    net, examples = network.build(run, task, max(2, len(labels)), encoded, accelerator)
    origin = signal_inputs(run, settings, everything, labels, rows, encoded, task, net.whole, accelerator)
    chosen = choose_rows(origin, rescore_with_model(run, task, len(labels), examples.take(rows), accelerator))
    if isinstance(examples, features.Features):  # at hand anyway: there is a map whatever the strategy reads
        return replace(chosen, pool=chosen.pool.with_signals({"embeddings": examples.values[rows]}))
    return chosen


def explain_row(chosen: SelectionResult, row: int) -> str:
    """Return why a row of the data file was chosen or was not; see `reasons.explain`."""
    return explain(chosen.pool, chosen.selection, chosen.settings, chosen.seed, chosen.names, row)
