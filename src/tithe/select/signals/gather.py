"""The signals that strategies ask for: computed once for the rows of a pool, cached by what made them."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from tithe import config, plugins, storage
from tithe.arrays import Array, Rows
from tithe.data import Dataset, LabelMap
from tithe.errors import InputError
from tithe.models import features
from tithe.models.classifier import Classifier
from tithe.models.examples import Encodable, Tokenised
from tithe.models.features import Features
from tithe.progress import bar
from tithe.select.pool import Pool
from tithe.select.signals import causal_lm, linear_probes, ngram_lm, text_statistics
from tithe.storage import cache
from tithe.train.setup import Setup

logger = logging.getLogger("tithe")

_VERSION = 1
_COST = "seconds.json"


@dataclass(frozen=True)
class SignalInputs:
    """What signals are computed from: the training rows of a setup, and how a strategy is to choose among them.

    Every array and text is of these rows, in their order; no other row is looked at but by the encoder.
    """

    setup: Setup
    settings: config.Select

    @property
    def seed(self) -> int:
        """Seed of the strategy's draws; the run's where the selection has none of its own."""
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
            They are not texts.
        """
        if not isinstance(self.setup.encoded, Tokenised):
            raise InputError("strategies choose among texts: leave select out of this config")
        return self.setup.encoded.take(self._rows)

    @cached_property
    def embeddings(self) -> Array:
        """Pooled states of the encoder as it was before training, shape (N, D).

        Raises
        ------
        InputError
            The cache has no room for them.
        """
        setup = self.setup
        if isinstance(setup.examples, Features):
            return np.asarray(setup.examples.values[self._rows])
        model, encoded = setup.network.classifier, setup.encoded
        if not (isinstance(model, Classifier) and isinstance(encoded, Encodable)):
            raise InputError("embeddings need an encoder of texts: choose another strategy")
        cached = features.cached(model, encoded, setup.network.cache_key, setup.accelerator)
        if cached is None:
            raise InputError("the cache has no room for embeddings: raise TITHE_CACHE_GB, or choose another strategy")
        return np.asarray(cached.values[self._rows])

    @property
    def embeddings_key(self) -> str:
        """What makes the embeddings, besides the rows."""
        return storage.digest([self.setup.network.cache_key, self.setup.accelerator.mixed_precision])

    @property
    def training_key(self) -> dict[str, Any]:
        """The config by which models are trained between rounds."""
        return {name: getattr(self.setup.run, name).model_dump(mode="json") for name in ("model", "train")}

    @property
    def _rows(self) -> Rows:
        return self.setup.splits.split.train


def compute_signals(source: SignalInputs, strategies: Sequence[str]) -> tuple[Pool, float]:
    """Return the pool with every signal that some strategies need, and the seconds that these cost.

    A signal from the cache costs what it did when it was computed: a strategy does not get cheaper by coming second.
    Embeddings are not counted, since training a head on the chosen rows needs them as well.

    Raises
    ------
    InputError
        No such strategy, or a signal that these data can't give.
    """
    # Lengths cost nothing, and the account of a selection shows them.
    needs = sorted({"lengths", *(need for name in strategies for need in plugins.load("strategies", name).NEEDS)})
    signals: dict[str, Array] = {}
    cost = 0.0
    for need in needs:
        if need not in signals:
            found, seconds = _cached(need, source)
            signals, cost = {**signals, **found}, cost + seconds
    return Pool.of(source.data.labels, source.data.ids, signals), cost


def _cached(need: str, source: SignalInputs) -> tuple[dict[str, Array], float]:
    """Return a signal and those that are computed along with it, and the seconds that they cost."""
    if need == "embeddings":
        return {need: source.embeddings}, 0.0
    if need == "lengths":
        return {need: np.asarray(source.examples.lengths)}, 0.0
    family = next((names for names in _TOGETHER if need in names), None)
    if family is None:
        raise InputError(f"no signal '{need}': choose one of {', '.join(sorted(_known()))}")
    compute, made_of = _TOGETHER[family]
    settings = source.settings
    key = [_VERSION, *family, source.data.fingerprint, [getattr(settings, name) for name in made_of]]
    key += [source.seed] if "folds" in made_of else []
    key += [source.embeddings_key] if compute in _ON_EMBEDDINGS else []
    key += [source.examples.fingerprint] if compute in _ON_TOKENS else []
    folder = cache.place("signals", storage.digest(key))
    if not cache.is_whole(folder):
        logger.info("computing %s of %d rows", ", ".join(family), len(source.data))
        begun = time.monotonic()
        arrays = compute(source)
        seconds = time.monotonic() - begun
        with storage.atomic_folder(folder) as aside:
            for name, array in arrays.items():
                np.save(aside / f"{name}.npy", array)
            storage.write_json(aside / _COST, seconds)
        cache.make_room()
    found = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in family}
    return found, float(storage.read_json(folder / _COST))


def _known() -> set[str]:
    return {"embeddings", "lengths", *(name for family in _TOGETHER for name in family)}


def _probs(source: SignalInputs) -> dict[str, Array]:
    X_ND, s = source.embeddings, source.settings
    return {"probs": linear_probes.out_of_fold(X_ND, source.data.labels, len(source.labels), s.folds, source.seed)}


def _proxy_probs(source: SignalInputs) -> dict[str, Array]:
    X_ND, s = source.embeddings, source.settings
    classes = len(source.labels)
    return {
        "proxy_probs": linear_probes.short_runs(X_ND, source.data.labels, classes, s.proxy_runs, s.folds, source.seed)
    }


def _perplexity(source: SignalInputs) -> dict[str, Array]:
    if source.settings.language_model:
        texts = source.data.inputs()
        with bar("perplexity", len(texts), "texts") as tick:
            model = causal_lm.open_model(source.settings.language_model, device=str(source.setup.accelerator.device))
            return {"perplexity": causal_lm.perplexities(model, texts, tick=tick)}
    return {"perplexity": ngram_lm.perplexity_out_of_fold(_corpus(source), source.settings.folds, source.seed)}


def _label_losses(source: SignalInputs) -> dict[str, Array]:
    labels = source.data.labels
    if source.settings.language_model:
        names = [str(source.labels.names[label]) for label in labels]
        texts = source.data.inputs()
        with bar("label losses", len(texts), "texts") as tick:
            model = causal_lm.open_model(source.settings.language_model, device=str(source.setup.accelerator.device))
            conditional_N, prior_N = causal_lm.label_losses(model, texts, names, tick=tick)
    else:
        conditional_N, prior_N = ngram_lm.label_losses_out_of_fold(
            _corpus(source), labels, len(source.labels), source.settings.folds, source.seed
        )
    return {"conditional_loss": conditional_N, "prior_loss": prior_N}


def _readability(source: SignalInputs) -> dict[str, Array]:
    texts = source.data.inputs()
    languages = {language for language in map(text_statistics.language, texts[:1000]) if language == "other"}
    if languages:
        logger.warning("some texts are neither English nor Russian: their readability ranks in the middle")
    return {"readability": np.array([text_statistics.readability(text) for text in texts])}


def _lexical(source: SignalInputs) -> dict[str, Array]:
    texts = source.data.inputs()
    scores: dict[str, list[float]] = {"hdd": [], "mtld": [], "ttr": []}
    with bar("vocabulary", len(texts), "texts") as tick:
        for text in texts:
            words = text_statistics.words(text)
            scores["hdd"].append(text_statistics.hdd(words))
            scores["mtld"].append(text_statistics.mtld(words))
            scores["ttr"].append(text_statistics.ttr(words))
            tick(1)
    return {name: np.array(values) for name, values in scores.items()}


def _corpus(source: SignalInputs) -> ngram_lm.Corpus:
    """Return the token ids of the pool's rows, end to end."""
    examples = source.examples
    lengths = np.asarray(examples.lengths)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    tokens = np.empty(int(offsets[-1]), dtype=np.int64)
    for i, row in enumerate(examples.rows):
        tokens[offsets[i] : offsets[i + 1]] = examples.tokens[examples.offsets[row] : examples.offsets[row + 1]]
    return ngram_lm.Corpus.of(tokens, offsets, vocabulary=int(tokens.max()) + 1 if len(tokens) else 1)


# Signals that are computed together, how, and the settings that change them.
_TOGETHER: dict[tuple[str, ...], tuple[Callable[[SignalInputs], dict[str, Array]], tuple[str, ...]]] = {
    ("probs",): (_probs, ("folds",)),
    ("proxy_probs",): (_proxy_probs, ("folds", "proxy_runs")),
    ("perplexity",): (_perplexity, ("folds", "language_model")),
    ("conditional_loss", "prior_loss"): (_label_losses, ("folds", "language_model")),
    ("readability",): (_readability, ()),
    ("hdd", "mtld", "ttr"): (_lexical, ()),
}
_ON_EMBEDDINGS = {_probs, _proxy_probs}
_ON_TOKENS = {_perplexity, _label_losses}
