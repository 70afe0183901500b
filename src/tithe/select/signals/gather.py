"""The signals that strategies need: computed once for the rows of a pool, and cached."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from tithe import config, plugins, storage
from tithe.arrays import Array, Rows, rows_of
from tithe.config import unused
from tithe.console import counted
from tithe.data import Dataset, LabelMap
from tithe.errors import InputError
from tithe.models import features
from tithe.models.classifier import Classifier
from tithe.models.examples import Encodable, Tokenised
from tithe.models.features import Features
from tithe.progress import bar
from tithe.select.answers import title
from tithe.select.buying.tracks import READ_LABELS
from tithe.select.pool import Pool
from tithe.select.settings import EMBEDDINGS, PREDICTIONS, file_sha256, filter_needs, language_model_sha256, needs_of
from tithe.select.signals import causal_lm, linear_probes, ngram_lm, own_files, text_statistics
from tithe.storage import cache
from tithe.train.setup import Setup

logger = logging.getLogger("tithe")

_VERSION = 1
_COST = "seconds.json"


@dataclass(frozen=True)
class SignalInputs:
    """The inputs of signals: the training rows of a setup, and the settings of the selection.

    Every array and text belongs to these rows, in their order; only the encoder sees other rows.
    """

    setup: Setup
    settings: config.Select

    @property
    def seed(self) -> int:
        """Seed of the strategy's random draws; the run's seed if the selection sets none."""
        return self.setup.run.seed if self.settings.seed is None else self.settings.seed

    @property
    def labels(self) -> LabelMap:
        """The classes."""
        return self.setup.splits.labels

    @cached_property
    def data(self) -> Dataset:
        """The rows to choose among."""
        return self.setup.splits.rows.take(self._rows)

    @cached_property
    def examples(self) -> Tokenised:
        """The same rows, tokenised.

        Raises
        ------
        InputError
            The rows are not texts.
        """
        if not isinstance(self.setup.encoded, Tokenised):
            raise InputError("strategies support only texts: remove select from this config")
        return self.setup.encoded.take(self._rows)

    @cached_property
    def embeddings(self) -> Array:
        """Pooled states of the encoder before training, or the user's own embeddings, shape (N, D).

        Raises
        ------
        InputError
            The cache has no room for them, or own ones are wrong.
        """
        setup = self.setup
        if own := setup.run.data.embeddings:
            return own_files.read_embeddings(own, self.data.ids, self.rows_read)
        if isinstance(setup.examples, Features):
            return rows_of(setup.examples.values, self._rows)
        model, encoded = setup.network.classifier, setup.encoded
        if not (isinstance(model, Classifier) and isinstance(encoded, Encodable)):
            raise InputError("embeddings need a text encoder: choose another strategy")
        cached = features.cached(model, encoded, setup.network.cache_key, setup.accelerator)
        if cached is None:
            raise InputError("the cache has no room for embeddings: raise TITHE_CACHE_GB, or choose another strategy")
        return rows_of(cached.values, self._rows)

    @property
    def fixed_embeddings(self) -> Array | None:
        """The embeddings, if the encoder is frozen and does not need to run for them; else None."""
        setup = self.setup
        at_hand = setup.network.on_features or setup.run.data.embeddings is not None
        return self.embeddings if at_hand and setup.run.model.freeze == "all" else None

    @property
    def rows_read(self) -> int:
        """How many rows the data have, with those that were dropped."""
        return int(self.setup.splits.report["rows_read"])

    @property
    def embeddings_key(self) -> str:
        """Cache key of the embeddings, without the rows."""
        if own := self.setup.run.data.embeddings:
            return file_sha256(own, "data.embeddings")
        return storage.digest([self.setup.network.cache_key, self.setup.accelerator.mixed_precision])

    @property
    def training_key(self) -> dict[str, Any]:
        """Config of the models trained between rounds, for cache keys."""
        return {name: getattr(self.setup.run, name).model_dump(mode="json") for name in ("model", "train")}

    @property
    def _rows(self) -> Rows:
        return self.setup.splits.split.train


def compute_signals(inputs: SignalInputs, strategies: Sequence[str]) -> tuple[Pool, float]:
    """Return the pool with every signal that the strategies and filters need, and the seconds that these took.

    In track T0 the pool has no labels, and nothing that a model of all labels predicts.

    For a cached signal the original time counts, so that the order of strategies does not matter. Embeddings don't
    count, since training a head on the chosen rows needs them as well.

    Raises
    ------
    InputError
        Unknown strategy, or a signal that can't be computed for these data.
    """
    # Lengths cost nothing, and explanations of a selection show them.
    needs = sorted({"lengths", *filter_needs(inputs.settings), *(need for name in strategies for need in _needs(name))})
    buys = inputs.settings.track == "T0"
    if buys:  # a model of the bought labels predicts
        needs = [need for need in needs if need not in PREDICTIONS | READ_LABELS]
    signals: dict[str, Array] = {}
    cost = 0.0
    for need in needs:
        if need not in signals:
            arrays, seconds = _cached(need, inputs)
            signals, cost = {**signals, **arrays}, cost + seconds
    return Pool.of(None if buys else inputs.data.labels, inputs.data.ids, signals), cost


def warn_unused(settings: config.Select, data: config.Data) -> None:
    """Warn of changed settings that no signal of the strategies or filters depends on."""
    needs = needs_of(settings)
    used = {name for family, (_, names) in _FAMILIES.items() for name in names if needs & set(family)}
    own = ("folds", "proxy_runs", "language_model", "scores")
    given = [("select", *pair) for pair in unused.changed(settings, own)]
    if needs.isdisjoint(EMBEDDINGS | PREDICTIONS):
        given += [("data", *pair) for pair in unused.changed(data, ("embeddings",))]
    for section, name, value in given:
        if name not in used | needs:
            strategy = plugins.short_name(settings.strategy)
            logger.warning("%s.%s %s has no effect: strategy %s does not use it", section, name, value, strategy)
    if settings.rounds == 1 and settings.retrain == "warm":
        logger.warning("select.retrain warm has no effect: there is one round")


def _cached(need: str, inputs: SignalInputs) -> tuple[dict[str, Array], float]:
    """Return a signal and those computed together with it, and the seconds that this took."""
    if need == "embeddings":
        return {need: inputs.embeddings}, 0.0
    if need == "scores":
        return {need: own_files.read_scores(inputs.settings.scores, inputs.data.ids, inputs.rows_read)}, 0.0
    if need == "lengths":
        return {need: np.asarray(inputs.examples.lengths)}, 0.0
    family = next(names for names in _FAMILIES if need in names)
    compute, parameters = _FAMILIES[family]
    settings = inputs.settings
    values = {name: getattr(settings, name) for name in parameters}
    if path := values.get("language_model"):
        values["language_model"] = language_model_sha256(path)  # another may be put in its place
    key = [_VERSION, *family, inputs.data.fingerprint, list(values.values())]
    key += [inputs.seed] if "folds" in parameters or compute is _head else []
    key += [inputs.embeddings_key] if compute in _ON_EMBEDDINGS else []
    key += [inputs.examples.fingerprint] if compute in _ON_TOKENS else []
    folder = cache.place("signals", storage.digest(key))
    if not cache.is_whole(folder):
        logger.info("computing %s of %s", ", ".join(family), counted(len(inputs.data), "row"))
        started = time.monotonic()
        arrays = compute(inputs)
        seconds = time.monotonic() - started
        with storage.atomic_folder(folder) as temporary:
            for name, array in arrays.items():
                np.save(temporary / f"{name}.npy", array)
            storage.write_json(temporary / _COST, seconds)
        cache.make_room()
    signals = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in family}
    return signals, float(storage.read_json(folder / _COST))


def _needs(strategy: str) -> Sequence[str]:
    needs: Sequence[str] = plugins.load("strategies", strategy).NEEDS
    if unknown := [need for need in needs if need not in _NAMES]:
        raise InputError(f"{title(strategy)}: no signal '{unknown[0]}': choose one of {', '.join(sorted(_NAMES))}")
    return needs


def _probs(inputs: SignalInputs) -> dict[str, Array]:
    X_ND, s = inputs.embeddings, inputs.settings
    return {"probs": linear_probes.out_of_fold(X_ND, inputs.data.labels, len(inputs.labels), s.folds, inputs.seed)}


def _head(inputs: SignalInputs) -> dict[str, Array]:
    return linear_probes.of_all(inputs.embeddings, inputs.data.labels, len(inputs.labels), inputs.seed)


def _proxy_probs(inputs: SignalInputs) -> dict[str, Array]:
    X_ND, s, classes = inputs.embeddings, inputs.settings, len(inputs.labels)
    probs_NRC = linear_probes.short_runs(X_ND, inputs.data.labels, classes, s.proxy_runs, s.folds, inputs.seed)
    return {"proxy_probs": probs_NRC}


def _perplexity(inputs: SignalInputs) -> dict[str, Array]:
    if inputs.settings.language_model:
        texts = inputs.data.inputs()
        with bar("perplexity", len(texts), "texts") as tick:
            model = _language_model(inputs, inputs.settings.language_model, texts)
            return {"perplexity": causal_lm.perplexities(model, texts, tick=tick)}
    return {"perplexity": ngram_lm.perplexity_out_of_fold(_corpus(inputs), inputs.settings.folds, inputs.seed)}


def _language_model(inputs: SignalInputs, path: str, texts: list[str]) -> causal_lm.LanguageModel:
    model = causal_lm.open_model(path, device=str(inputs.setup.accelerator.device))
    causal_lm.check_known(model, texts)
    return model


def _label_losses(inputs: SignalInputs) -> dict[str, Array]:
    labels = inputs.data.labels
    if inputs.settings.language_model:
        names = [str(inputs.labels.names[label]) for label in labels]
        texts = inputs.data.inputs()
        with bar("label losses", len(texts), "texts") as tick:
            model = _language_model(inputs, inputs.settings.language_model, texts)
            conditional_N, prior_N = causal_lm.label_losses(model, texts, names, tick=tick)
    else:
        conditional_N, prior_N = ngram_lm.label_losses_out_of_fold(
            _corpus(inputs), labels, len(inputs.labels), inputs.settings.folds, inputs.seed
        )
    return {"conditional_loss": conditional_N, "prior_loss": prior_N}


def _readability(inputs: SignalInputs) -> dict[str, Array]:
    texts = inputs.data.inputs()
    languages = {language for language in map(text_statistics.language, texts[:1000]) if language == "other"}
    if languages:
        logger.warning("some texts are neither English nor Russian: their readability gets a middle rank")
    return {"readability": np.array([text_statistics.readability(text) for text in texts])}


def _lexical(inputs: SignalInputs) -> dict[str, Array]:
    texts = inputs.data.inputs()
    scores: dict[str, list[float]] = {"hdd": [], "mtld": [], "ttr": []}
    with bar("vocabulary", len(texts), "texts") as tick:
        for text in texts:
            words = text_statistics.words(text)
            scores["hdd"].append(text_statistics.hdd(words))
            scores["mtld"].append(text_statistics.mtld(words))
            scores["ttr"].append(text_statistics.ttr(words))
            tick(1)
    return {name: np.array(values) for name, values in scores.items()}


def _corpus(inputs: SignalInputs) -> ngram_lm.Corpus:
    """Return the concatenated token ids of the pool's rows."""
    examples = inputs.examples
    lengths = np.asarray(examples.lengths)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    tokens = np.empty(int(offsets[-1]), dtype=np.int64)
    for i, row in enumerate(examples.rows):
        tokens[offsets[i] : offsets[i + 1]] = examples.tokens[examples.offsets[row] : examples.offsets[row + 1]]
    return ngram_lm.Corpus.of(tokens, offsets, vocabulary=int(tokens.max()) + 1 if len(tokens) else 1)


# Signals that are computed together, the function, and the settings that they depend on.
_FAMILIES: dict[tuple[str, ...], tuple[Callable[[SignalInputs], dict[str, Array]], tuple[str, ...]]] = {
    ("probs",): (_probs, ("folds",)),
    ("head_probs", "head_labels", "head_penalty"): (_head, ()),
    ("proxy_probs",): (_proxy_probs, ("folds", "proxy_runs")),
    ("perplexity",): (_perplexity, ("folds", "language_model")),
    ("conditional_loss", "prior_loss"): (_label_losses, ("folds", "language_model")),
    ("readability",): (_readability, ()),
    ("hdd", "mtld", "ttr"): (_lexical, ()),
}
_NAMES = {"embeddings", "lengths", "scores", *(name for family in _FAMILIES for name in family)}
_ON_EMBEDDINGS = {_probs, _head, _proxy_probs}
_ON_TOKENS = {_perplexity, _label_losses}
