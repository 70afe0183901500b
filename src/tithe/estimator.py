"""A scikit-learn classifier of texts: `fit` is a run of tithe, and what it has learnt is in the estimator itself."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import column_or_1d
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted

from tithe import config, pipeline, storage
from tithe.arrays import Array, Rows
from tithe.console import printable
from tithe.data.labels import Label, normalise, storable
from tithe.errors import InputError
from tithe.predict import TrainedModel, load
from tithe.predict.inputs import listed
from tithe.runs import directory

_ROWS = "rows.parquet"
_TEXT, _LABEL, _WEIGHT = "text", "label", "weight"
# What `fit` sets itself.
_COLUMNS = ("text_column", "label_column", "weight_column", "split_column")
_OWN = ("path", "validation", "test", "reader", "corrections", *_COLUMNS)
_RATES = {"all": 1e-3, "none": 5e-5}  # of a head alone, and of an encoder


class TitheClassifier(ClassifierMixin, BaseEstimator):
    """A classifier of texts for scikit-learn: an encoder and a head, trained on all rows or on those that count.

    `fit` writes its rows to a file and runs `tithe.train` on it, so everything of a run holds: cleaning, the proof of
    a frozen encoder, selection, reports. A tenth of the rows, stratified, is its validation split, which decides the
    best epoch; the rest is trained on. Rows whose text is empty or repeated are not.

    What is learnt is kept as the bytes of the checkpoint's files, so that a fitted estimator can be copied, pickled and
    saved by skops, without the run directory. The same texts in the same order have the same predictions.

    Parameters
    ----------
    encoder
        As `model.encoder` of a config: "minilm", a folder, or a hub name.
    freeze
        Frozen part of the encoder: "all", "none", or the number of its first layers.
    epochs, batch_size, max_length
        Passes over the rows, rows of a batch, tokens kept of each text.
    learning_rate
        The peak; 1e-3 when unset if the whole encoder is frozen, else 5e-5.
    select
        Strategy that chooses the rows to train on, a tenth unless a dict says otherwise, such as
        `{"strategy": "k_center", "budget": 0.2}`; all rows when unset. See docs/selection.md.
    random_state
        Seed of the validation split, the head, the order of batches and dropout.
    run_dir
        Directory of the run, to keep it; `{time}` in it becomes the start time, for one directory per fit. A temporary
        one when unset.
    config
        Any other settings by section, such as `{"train": {"patience": 2}}`; they count before the other parameters.

    Attributes
    ----------
    classes_
        The labels, sorted, shape (C,), with the dtype of `y`.
    checkpoint_
        The files of the trained checkpoint: their bytes by their path.

    Examples
    --------
    >>> classifier = tithe.TitheClassifier("minilm", select="k_center").fit(texts, labels)
    >>> classifier.predict(["what a film"])
    >>> sklearn.model_selection.cross_val_score(classifier, texts, labels)
    """

    def __init__(
        self,
        encoder: str = "minilm",
        *,
        freeze: str | int = "all",
        epochs: int = 10,
        batch_size: int = 32,
        max_length: int = 256,
        learning_rate: float | None = None,
        select: str | Mapping[str, Any] | None = None,
        random_state: int = 0,
        run_dir: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        self.encoder = encoder
        self.freeze = freeze
        self.epochs = epochs
        self.batch_size = batch_size
        self.max_length = max_length
        self.learning_rate = learning_rate
        self.select = select
        self.random_state = random_state
        self.run_dir = run_dir
        self.config = config

    def fit(self, X: Iterable[str], y: Iterable[Any], sample_weight: Iterable[float] | None = None) -> Self:
        """Train on N texts.

        Parameters
        ----------
        X
            Texts: a list, an array, a Series; see `tithe.load(...).predict`.
        y
            Their labels, texts or numbers, of at least two classes.
        sample_weight
            How much each row counts in the loss, at least 0; validation rows are not weighted.

        Raises
        ------
        InputError, ValueError
            A text, a label, a weight or a parameter is wrong; the message names it.
        """
        texts, labels_N = listed(X), column_or_1d(y)
        if not texts:
            raise InputError("there are no texts to fit: pass some, with the labels of two classes at least")
        columns: dict[str, Any] = {_TEXT: list(map(storable, texts)), _LABEL: labels_N}
        if sample_weight is not None:
            columns[_WEIGHT] = column_or_1d(sample_weight)
        for name, values in columns.items():
            if len(values) != len(texts):
                raise InputError(f"{len(texts)} texts and {len(values)} {name}s: pass one for each text")
        classes_C, codes_N = _classes(labels_N)
        names = _names(classes_C)
        columns[_LABEL] = [str(names[code]) for code in codes_N]
        with self._directory() as home:
            self.checkpoint_ = self._train(home, columns)
        self.__dict__.pop("_model", None)
        self.classes_ = classes_C
        return self

    def predict(self, X: Iterable[str]) -> Array:
        """Return the most probable label of N texts, shape (N,)."""
        best_N = self.predict_proba(X).argmax(axis=1)
        return np.asarray(self.classes_[best_N])

    def predict_proba(self, X: Iterable[str]) -> Array:
        """Return the probability of each label of `classes_` for N texts, shape (N, C).

        It is 0 for a class without a usable row: all its texts are empty, or are also of other classes.
        """
        probs_NK = self.model_.predict_proba(X)
        code_of = {str(name): code for code, name in enumerate(_names(self.classes_))}
        probs_NC = np.zeros((len(probs_NK), len(self.classes_)))
        probs_NC[:, [code_of[str(name)] for name in self.model_.labels.names]] = probs_NK
        return probs_NC

    @property
    def model_(self) -> TrainedModel:
        """The trained classifier, as `tithe.load` opens it: for `explain` and `embed`."""
        check_is_fitted(self, "checkpoint_")
        if "_model" not in self.__dict__:
            with tempfile.TemporaryDirectory(prefix="tithe-") as folder:
                _unpack(self.checkpoint_, Path(folder))
                self._model = load(folder)
                self._model.predict([""])  # all that it reads later
        return self._model

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = super().__getstate__()
        return {name: value for name, value in state.items() if name != "_model"}

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.string, tags.input_tags.two_d_array = True, False
        return tags

    @contextmanager
    def _directory(self) -> Iterator[Path]:
        if self.run_dir is not None:
            yield directory.new_run_dir(str(self.run_dir)) if "{time}" in str(self.run_dir) else Path(self.run_dir)
            return
        with tempfile.TemporaryDirectory(prefix="tithe-") as folder:
            yield Path(folder) / "run"

    def _train(self, home: Path, columns: Mapping[str, Any]) -> dict[str, bytes]:
        run = self._run(home, weighted=_WEIGHT in columns)
        directory.check_free(run)
        home.mkdir(parents=True, exist_ok=True)
        with storage.atomic_file(home / _ROWS) as aside:
            pq.write_table(pa.table(dict(columns)), aside)
        with _as_arguments(home / _ROWS):
            return _packed(pipeline.train(run).best)

    def _run(self, home: Path, weighted: bool) -> config.Run:
        """Return the config of the run."""
        rate = _RATES.get(str(self.freeze), _RATES["none"]) if self.learning_rate is None else self.learning_rate
        if not isinstance(self.random_state, int | np.integer):
            shown = printable(repr(self.random_state))
            raise InputError(f"random_state is {shown}: pass an integer, by which the fit can be repeated")
        sections: dict[str, Any] = {
            "seed": _plain(self.random_state),
            "data": {"test_ratio": 0.0},
            "model": {"encoder": self.encoder, "freeze": _plain(self.freeze), "max_length": _plain(self.max_length)},
            "train": {
                "epochs": _plain(self.epochs),
                "batch_size": _plain(self.batch_size),
                "learning_rate": _plain(rate),
            },
            "track": {"tensorboard": False},
        }
        if self.select is not None:
            sections["select"] = {"strategy": self.select} if isinstance(self.select, str) else dict(self.select)
        for name, value in (self.config or {}).items():
            sections[name] = {**sections.get(name, {}), **value} if isinstance(value, Mapping) else value
        own: list[str] = [key for key in ("out", "task") if key in sections]
        own += [f"data.{key}" for key in _OWN if key in sections["data"]]
        if own:
            raise InputError(f"config sets {own[0]}, which fit decides: leave it out")
        sections["out"] = str(home)
        sections["data"] |= {"path": str(home / _ROWS), "weight_column": _WEIGHT if weighted else None}
        return config.parse(sections, source="TitheClassifier")


def _plain(value: object) -> object:
    """Return a parameter as a config has it: of a NumPy number, as in a grid, the number of Python."""
    return value.item() if isinstance(value, np.generic) else value


@contextmanager
def _as_arguments(file: Path) -> Iterator[None]:
    """Let errors name the arguments of `fit`, and not the file that was written of them."""
    try:
        yield
    except InputError as error:
        lines = (line.replace(str(file), "the rows of fit") for line in error.lines)
        raise InputError(*(line.replace("data.weight_column", "sample_weight") for line in lines)) from None


def _classes(labels_N: Array) -> tuple[Array, Rows]:
    """Return the classes, shape (C,), and the index of each row's class, shape (N,).

    Raises
    ------
    InputError
        A label is missing, or texts and numbers are mixed.
    ValueError
        The labels are measurements, not classes.
    """
    for row, label in enumerate(labels_N.tolist()):
        if label is None or label != label:  # NaN is the one value that differs from itself
            raise InputError(f"label {row} is missing: give each text a label")
    try:
        classes_C, codes_N = np.unique(labels_N, return_inverse=True)
    except TypeError:
        raise InputError("the labels are of several types: make them all texts, or all numbers") from None
    check_classification_targets(labels_N)
    return classes_C, codes_N


def _names(classes_C: Array) -> list[Label]:
    """Return what a run calls each class.

    Raises
    ------
    InputError
        A label is missing or blank, or a run would take two classes for one.
    """
    names = [normalise(value) for value in classes_C.tolist()]
    for name, shown in zip(names, map(printable, classes_C), strict=True):
        if name is None:
            raise InputError(f"the label '{shown}' is empty: give each row a label")
        if (first := printable(classes_C[names.index(name)])) != shown:
            raise InputError(f"the labels '{first}' and '{shown}' mean the same: rename one")
    return [name for name in names if name is not None]


def _packed(folder: Path) -> dict[str, bytes]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def _unpack(files: Mapping[str, bytes], folder: Path) -> None:
    for name, content in files.items():
        if (
            not (folder / name).resolve().is_relative_to(folder.resolve())
        ):  # of a file that somebody made to write there
            raise InputError(
                f"the file {name} of the estimator is outside its checkpoint: don't open what you don't trust"
            )
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
