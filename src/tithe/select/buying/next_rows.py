"""Which rows of an unlabelled pool to label next, by the labels that were bought so far (track T0)."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa

from tithe import config, plugins, storage
from tithe.arrays import Array, Rows
from tithe.console import counted
from tithe.data import Dataset, LabelMap, Splits
from tithe.data.cross_validation import standardised
from tithe.data.splits import Split
from tithe.data.text.labelling import LabelledTexts, UnlabelledTexts
from tithe.errors import InputError, did_you_mean
from tithe.models import features
from tithe.models.classifier import Classifier
from tithe.models.examples import Encodable
from tithe.models.features import Features
from tithe.report.words import Phrase, in_english
from tithe.select.buying.evidence import Decision, Evidence
from tithe.select.buying.expect import Expectation, expected
from tithe.select.buying.reasons import Chosen, reasons
from tithe.select.buying.tracks import check_track, labels_read, track_of
from tithe.select.rounds import decision_of
from tithe.select.selection import select
from tithe.select.settings import PREDICTIONS, overridden, parse_options
from tithe.select.signals import linear_probes
from tithe.select.signals.gather import SignalInputs, compute_signals
from tithe.select.strategies import Decides, Matches
from tithe.tasks import open_task
from tithe.train import devices
from tithe.train.setup import Setup, open_setup

logger = logging.getLogger("tithe")

_BLIND = "typiclust"  # chooses while no model can be trained
_OTHERS = "choose for example auto, margin or typiclust"


@dataclass(frozen=True)
class Corpus:
    """The texts of a pool, then those that were labelled elsewhere; and what people said of them.

    Attributes
    ----------
    pool
        How many texts are of the pool.
    labelled_M, label_M, round_M
        Positions of the labelled texts, in the order of labelling; their class indices and rounds.
    passed
        Positions in the pool of texts that people passed over.
    """

    texts: list[str]
    ids_N: Rows
    pool: int
    labelled_M: Rows
    label_M: Rows
    round_M: Rows
    passed: Rows
    names: LabelMap

    @classmethod
    def of(cls, pool: UnlabelledTexts, bought: LabelledTexts) -> Corpus:
        """Put the texts together; a text of both is in the pool."""
        place_of = {text: place for place, text in enumerate(pool.texts)}
        passed = [place_of[text] for text in bought.passed if text in place_of]
        for text in bought.label_of:
            place_of.setdefault(text, len(place_of))
        names = LabelMap.of(bought.label_of.values())
        ids = [*pool.ids, *[-1] * (len(place_of) - len(pool.ids))]
        labelled = [place_of[text] for text in bought.label_of]
        rounds = [bought.round_of[text] for text in bought.label_of]
        codes_M = names.encode(list(bought.label_of.values()))
        ids_N, *arrays = (np.array(values, np.int64) for values in (ids, labelled, codes_M, rounds, sorted(passed)))
        labelled_M, label_M, round_M, passed_P = arrays
        return cls(list(place_of), ids_N, len(pool.texts), labelled_M, label_M, round_M, passed_P, names)

    @property
    def taken(self) -> Rows:
        """Positions of the texts that are not offered, sorted."""
        return np.union1d(np.concatenate([self.labelled_M, np.arange(self.pool, len(self.texts))]), self.passed)

    @property
    def left(self) -> Rows:
        """Positions of the texts that can be chosen."""
        return np.setdiff1d(np.arange(self.pool), self.taken)

    @cached_property
    def rows_per_class(self) -> dict[str, int]:
        """How many texts have each label."""
        count = Counter(self.label_M.tolist())
        return {str(name): count[code] for code, name in enumerate(self.names.names)}

    def dataset(self, start: int = 0, stop: int | None = None) -> Dataset:
        """Return some of the texts as a data set without labels."""
        texts, ids_N = self.texts[start:stop], self.ids_N[start:stop]
        table = pa.table({"id": ids_N, "input": pa.array(texts, pa.large_string())})
        source = storage.digest_bytes(*(text.encode() for text in texts))
        return Dataset(table, np.arange(len(texts)), np.zeros(len(texts), dtype=np.int64), source)


@dataclass(frozen=True)
class NextRows:
    """The rows to label next, the most wanted first, and what is known and expected.

    Attributes
    ----------
    ids
        Their positions in the pool's files, shape (K,).
    texts, reasons
        What they say, and why each was chosen.
    decision
        The strategy that chose, and why it, if it did not choose itself.
    model_sha256
        Of the model of the labels so far; None without one.
    encoder
        What identifies the encoder.
    """

    ids: Rows
    texts: list[str]
    reasons: list[Phrase]
    decision: Decision
    corpus: Corpus
    evidence: Evidence | None
    expectation: Expectation | None
    model_sha256: str | None
    encoder: Mapping[str, str]

    @property
    def why(self) -> list[str]:
        """Why each was chosen, for programs and files."""
        return [in_english(reason) for reason in self.reasons]


def label_settings(strategy: str, options: Mapping[str, Any], seed: int) -> config.Select:
    """Return the settings of a choice among unlabelled rows, checked.

    Raises
    ------
    InputError
        There is no such strategy or option, or it needs labels of the rows that it chooses from.
    """
    if not plugins.is_file(strategy) and strategy not in plugins.names("strategies"):
        usable = [name for name, module in plugins.each("strategies") if _why_not(name, module) is None]
        raise InputError(f"unknown strategy '{strategy}'{did_you_mean(strategy, usable)}")
    module, name = plugins.load("strategies", strategy), plugins.short_name(strategy)
    if why := _why_not(name, module):
        raise InputError(f"{name} {why}: {_OTHERS}")
    reads_model = not PREDICTIONS.isdisjoint(module.NEEDS) and not isinstance(module, Decides)
    given = {"track": "T0", "rounds": 2, "strategy": strategy, "seed": seed, "first": _BLIND if reads_model else None}
    settings = overridden(None, given, options, "tithe label")
    parse_options(module, settings)
    check_track(settings)
    return settings


def _why_not(name: str, strategy: ModuleType) -> str | None:
    """Return why a strategy can't choose among unlabelled rows; None if it can."""
    if name == "all" or isinstance(strategy, Matches):
        return "does not choose the rows to label next"
    return f"reads {labels_read(strategy)}" if track_of(strategy) == "T1" else None


def next_rows(run: config.Run, settings: config.Select, corpus: Corpus, count: int) -> NextRows:
    """Choose the rows to label next: a function of its arguments alone.

    Raises
    ------
    InputError
        No text is left, the encoder can't be used, or the strategy can't choose.
    Interrupted
        A signal requested a stop; finished features are kept.
    """
    if not len(corpus.left):
        every = f"all {corpus.pool} texts are" if corpus.pool > 1 else "its only text is"
        raise InputError(f"{run.data.path}: {every} labelled or passed over: add texts to it")
    if count > len(corpus.left):
        left = f"{counted(len(corpus.left), 'text')} {'is' if len(corpus.left) == 1 else 'are'} left"
        logger.warning("%s, fewer than the %d to choose", left, count)
        count = len(corpus.left)
    setup = _open(run, corpus)
    pool, _ = compute_signals(SignalInputs(setup, settings), [settings.strategy, settings.first or settings.strategy])
    X_ND = np.asarray(setup.examples.values if isinstance(setup.examples, Features) else pool.embeddings)
    model = _learn(X_ND, corpus, run.seed)
    decision = _decide(settings, corpus, model.evidence)
    if model.probs_NC is not None:
        pool = pool.with_signals({"probs": model.probs_NC, "proxy_probs": model.probs_NC[:, None, :]})
    own = settings.model_copy(update={"strategy": decision.strategy, "options": dict(decision.options)})
    chosen = select(pool, own, run.seed, corpus.taken, len(corpus.taken) + count)
    rows = chosen.rows[np.argsort(chosen.rank)]
    why = reasons(decision.strategy, Chosen(pool, chosen, rows, corpus.left, corpus.names.names))
    expectation = expected(standardised(X_ND)[corpus.labelled_M], corpus.label_M, len(rows), run.seed)
    texts = [corpus.texts[row] for row in rows]
    known = model.evidence, expectation, model.sha256
    return NextRows(corpus.ids_N[rows], texts, why, decision, corpus, *known, setup.network.cache_key)


def _open(run: config.Run, corpus: Corpus) -> Setup:
    """Return the setup of all texts; those of the pool are encoded apart, so that more labels leave them cached."""
    task = open_task(run)
    accelerator = devices.accelerator(run.train.device, run.train.precision)
    setup = open_setup(task, _unsplit(corpus.dataset(stop=corpus.pool)), accelerator)
    if len(corpus.texts) == corpus.pool:
        return setup
    model, more = setup.network.classifier, task.encode(corpus.dataset(corpus.pool))
    assert isinstance(model, Classifier) and isinstance(more, Encodable)  # the task is that of texts
    apart = features.cached(model, more, setup.network.cache_key, setup.accelerator)
    if apart is None or not isinstance(setup.examples, Features):
        raise InputError("the cache has no room for the embeddings of the texts: raise TITHE_CACHE_GB")
    splits = _unsplit(corpus.dataset())
    encoded = task.encode(splits.rows)
    values_ND = np.concatenate([setup.examples.values, apart.values])
    return replace(
        setup, splits=splits, encoded=encoded, examples=Features(values_ND, np.arange(len(values_ND)), encoded)
    )


def _unsplit(dataset: Dataset) -> Splits:
    every, none = np.arange(len(dataset)), np.zeros(0, dtype=np.int64)
    return Splits(dataset, LabelMap(("",)), every, Split(every, none, none, ()), {}, Path(), {})


@dataclass(frozen=True)
class _Model:
    """What a model of the labels says of all rows, and what the labels say of it."""

    probs_NC: Array | None = None
    sha256: str | None = None
    evidence: Evidence | None = None


def _learn(X_ND: Array, corpus: Corpus, seed: int) -> _Model:
    rows_M, label_M = corpus.labelled_M, corpus.label_M
    if not len(rows_M):
        return _Model()
    probs_NC, sha256 = _fitted(X_ND, rows_M, label_M, seed)
    before_M, agreement = corpus.round_M < corpus.round_M.max(), None
    if before_M.any():
        earlier_NC, _ = _fitted(X_ND, rows_M[before_M], label_M[before_M], seed)
        earlier_N = np.unique(label_M[before_M])[earlier_NC.argmax(axis=1)]
        agreement = float((earlier_N == probs_NC.argmax(axis=1))[: corpus.pool].mean())
    return _Model(probs_NC, sha256, Evidence.of(X_ND[rows_M], label_M, seed, agreement))


def _fitted(X_ND: Array, rows_M: Rows, label_M: Rows, seed: int) -> tuple[Array, str]:
    return linear_probes.fitted(X_ND, rows_M, label_M, linear_probes.best_strength(X_ND[rows_M], label_M, seed))


def _decide(settings: config.Select, corpus: Corpus, evidence: Evidence | None) -> Decision:
    """Return which strategy chooses: one that needs no model while there are no two classes to tell apart."""
    if evidence is not None and evidence.classes > 1:
        return decision_of(settings, 1, evidence)
    decision = decision_of(settings, 0, None)
    if evidence is None:
        return decision._replace(reason=decision.reason or "no label is known")
    every = f"all {evidence.bought} labels are" if evidence.bought > 1 else "the only label is"
    return decision._replace(reason=f"{every} '{corpus.names.names[0]}': rows of other kinds")
