"""What is served: the protocol of a model that answers in batches, and a checkpoint behind it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from tithe.arrays import Array
from tithe.errors import InputError
from tithe.models.tokens import TextExamples
from tithe.predict import Explanation, Prediction, TrainedModel, load

_EXACT = "each text is computed alone in float32, as by tithe predict --exact"
_BATCHED = (
    "a probability depends on the batch of its text, by about {:.0e}; a text whose two best classes are closer than "
    "{:.0e} is computed again alone in float32, so that its label does not"
)
# Texts of random letters, of so many characters, on which a batch is compared with the same texts alone; and how many
# times that two classes must differ: of a thousand texts one moves further than all of a few, and both classes move.
_CHARACTERS, _SAFETY = (5, 10, 20, 30, 40, 50, 60, 80, 100, 120, 150, 200, 300, 400), 8


class Encoded(NamedTuple):
    """A text as the model reads it.

    Attributes
    ----------
    ids
        Its tokens, shape (T,).
    uncut
        How many it had before it was cut.
    """

    ids: Array
    uncut: int


class Predictor(Protocol):
    """A classifier of texts.

    Attributes
    ----------
    name
        What people call it.
    note
        What its answers to a text depend on besides the text.
    """

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def note(self) -> str: ...  # noqa: D102

    def encode(self, texts: Sequence[str]) -> list[Encoded]:
        """Tokenise texts; called from one thread, while `predict` runs in another."""
        ...

    def predict(self, batch: Sequence[Encoded]) -> list[Prediction]:
        """Return the answers for one batch, in its order; called from one thread, as is `explain`.

        Raises
        ------
        TitheError
            An answer is not finite.
        """
        ...

    def explain(self, text: str) -> Explanation:
        """Return the answer for a text, and what each word contributed."""
        ...


@dataclass(frozen=True)
class Checkpoint:
    """A trained model of texts.

    Attributes
    ----------
    noise
        By how much the batch of a text moves its probabilities, about; 0 if the model is exact.
    """

    model: TrainedModel
    name: str
    pad: int
    noise: float = 0.0

    @property
    def _close(self) -> float:
        """How close two classes are that may change places with the batch."""
        return self.noise * _SAFETY

    @property
    def note(self) -> str:
        """What its answers depend on."""
        return _BATCHED.format(self.noise, self._close) if self.noise else _EXACT

    def encode(self, texts: Sequence[str]) -> list[Encoded]:
        """Tokenise texts."""
        examples = self.model.task.examples(texts)
        assert isinstance(examples, TextExamples)
        bounds = zip(examples.offsets[:-1], examples.offsets[1:], examples.uncut_lengths, strict=True)
        return [Encoded(examples.tokens[start:stop], int(uncut)) for start, stop, uncut in bounds]

    def predict(self, batch: Sequence[Encoded]) -> list[Prediction]:
        """Return the answers for one batch; its neighbours change the last digits, and never the label."""
        predictions = _predictions(self.model, batch, self.pad)
        for row in (row for row, each in enumerate(predictions) if _margin(each) < self._close):
            [predictions[row]] = _predictions(self.model.exactly(), batch[row : row + 1], self.pad)
        return predictions

    def explain(self, text: str) -> Explanation:
        """Return the answer for a text, and what each word contributed."""
        return self.model.explain([text])[0]


def _predictions(model: TrainedModel, batch: Sequence[Encoded], pad: int) -> list[Prediction]:
    offsets = np.concatenate([[0], np.cumsum([len(each.ids) for each in batch])])
    tokens, uncut = np.concatenate([each.ids for each in batch]), np.array([each.uncut for each in batch])
    rows, labels = np.arange(len(batch)), np.zeros(len(batch), dtype=np.int64)
    return model.predict_examples(TextExamples(tokens, offsets, rows, labels, rows, pad, uncut), len(batch))


def _margin(prediction: Prediction) -> float:
    """Return by how much the most probable class is ahead of the next."""
    first, *others = sorted(prediction.probabilities.values(), reverse=True)
    return first - max(others, default=0.0)


def open_checkpoint(path: Path, exact: bool) -> Predictor:
    """Return what `predict.load` finds at a path.

    Raises
    ------
    InputError
        There is no checkpoint, or it is one of images.
    """
    model = load(path)
    examples = model.task.examples(["text"]) if model.run.task == "text" else None
    if not isinstance(examples, TextExamples):
        raise InputError(f"{path} classifies images, and the server takes texts: score images with 'tithe predict'")
    opened = Checkpoint(model.exactly() if exact else model, model.run.name, examples.pad)
    noise = _noise(opened)
    return opened if exact else replace(opened, noise=noise)


def _noise(opened: Checkpoint) -> float:
    """Return by how much a batch moves the probabilities of texts at most; the first batches are slow besides."""
    letters = np.random.default_rng(0).choice(list("abcdefghijklmnopqrstuvwxyz     "), size=max(_CHARACTERS))
    texts = opened.encode(["".join(letters[:count]) for count in _CHARACTERS])
    alone = [_predictions(opened.model.exactly(), [text], opened.pad)[0] for text in texts]
    beside = _predictions(opened.model, texts, opened.pad)
    values = [list(prediction.probabilities.values()) for prediction in (*alone, *beside)]
    alone_NC, beside_NC = np.split(np.array(values), 2)
    return float(np.abs(alone_NC - beside_NC).max())
