"""What is served: the protocol of a model that answers in batches, and a checkpoint behind it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
    def note(self) -> str:
        """What its answers depend on."""
        return note(self.noise) if self.noise else _EXACT

    def encode(self, texts: Sequence[str]) -> list[Encoded]:
        """Tokenise texts."""
        examples = self.model.task.examples(texts)
        assert isinstance(examples, TextExamples)
        bounds = zip(examples.offsets[:-1], examples.offsets[1:], examples.uncut_lengths, strict=True)
        return [Encoded(examples.tokens[start:stop], int(uncut)) for start, stop, uncut in bounds]

    def predict(self, batch: Sequence[Encoded]) -> list[Prediction]:
        """Return the answers for one batch; its neighbours change the last digits, and never the label."""
        return settled(self.together(batch), batch, self.noise, self.alone)

    def together(self, batch: Sequence[Encoded]) -> list[Prediction]:
        """Return the answers of one pass over a batch."""
        return _predictions(self.model, batch, self.pad)

    def alone(self, text: Encoded) -> list[Prediction]:
        """Return the answer for a text that has no neighbours."""
        return _predictions(self.model.exactly(), [text], self.pad)

    def explain(self, text: str) -> Explanation:
        """Return the answer for a text, and what each word contributed."""
        return self.model.explain([text])[0]


def _predictions(model: TrainedModel, batch: Sequence[Encoded], pad: int) -> list[Prediction]:
    examples = TextExamples.unlabelled([each.ids for each in batch], [each.uncut for each in batch], pad)
    return model.predict_examples(examples, len(batch))


def note(noise: float) -> str:
    """Return what answers in batches depend on, which move probabilities by `noise`."""
    return _BATCHED.format(noise, noise * _SAFETY)


def settled(
    predictions: list[Prediction],
    batch: Sequence[Encoded],
    noise: float,
    alone: Callable[[Encoded], list[Prediction]],
) -> list[Prediction]:
    """Return the answers to a batch; where the two best classes may change places with the batch, the text is alone."""
    return [
        alone(text)[0] if _margin(each) < noise * _SAFETY else each
        for text, each in zip(batch, predictions, strict=True)
    ]


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
    measured = noise(opened.encode, opened.together, opened.alone)
    return opened if exact else replace(opened, noise=measured)


def noise(
    encode: Callable[[Sequence[str]], list[Encoded]],
    together: Callable[[Sequence[Encoded]], list[Prediction]],
    alone: Callable[[Encoded], list[Prediction]],
) -> float:
    """Return by how much a batch moves the probabilities of texts at most; the first batches are slow besides."""
    letters = np.random.default_rng(0).choice(list("abcdefghijklmnopqrstuvwxyz     "), size=max(_CHARACTERS))
    texts = encode(["".join(letters[:count]) for count in _CHARACTERS])
    predictions = [*(alone(text)[0] for text in texts), *together(texts)]
    values = [list(prediction.probabilities.values()) for prediction in predictions]
    alone_NC, beside_NC = np.split(np.array(values), 2)
    return float(np.abs(alone_NC - beside_NC).max())
