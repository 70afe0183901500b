"""An export behind the server: what its own users get for a text that is cleaned as in training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from tithe import storage
from tithe.arrays import Array
from tithe.data.clean import clean_text
from tithe.errors import InputError
from tithe.export import open_verified
from tithe.export.inputs import Network
from tithe.models import inference, tokens, vocabulary
from tithe.models.examples import Examples
from tithe.models.tokens import TextExamples
from tithe.predict import Explanation, Prediction
from tithe.predict.occlusion import word_weights
from tithe.predict.prediction import answers
from tithe.serve import predictor
from tithe.serve.predictor import Encoded, Predictor


@dataclass(frozen=True)
class Exported:
    """A classifier of texts in a format for others.

    Attributes
    ----------
    names
        The classes, as text.
    at_once
        Most texts of a batch.
    about
        How like its checkpoint it is, in words.
    noise
        See `predictor.Checkpoint`.
    """

    network: Network
    tokenizer: Any
    names: tuple[str, ...]
    at_once: int
    name: str
    about: str
    noise: float = 0.0

    @property
    def note(self) -> str:
        """What its answers depend on."""
        return f"{self.about}; {predictor.note(self.noise) if self.noise else 'each text is computed alone'}"

    def encode(self, texts: Sequence[str]) -> list[Encoded]:
        """Tokenise texts."""
        longest = self.tokenizer.model_max_length
        found = tokens.tokenise(self.tokenizer, [clean_text(text) for text in texts], longest)
        return [Encoded(np.array(ids or [self._pad]), count) for ids, count in zip(*found, strict=True)]

    def predict(self, batch: Sequence[Encoded]) -> list[Prediction]:
        """Return the answers for one batch."""
        return predictor.settled(self.together(batch), batch, self.noise, self.alone)

    def explain(self, text: str) -> Explanation:
        """Return the answer for a text, and what each word contributed."""
        [prediction] = self.predict(self.encode([text]))
        best_1 = np.array([self.names.index(str(prediction.label))])
        [words] = word_weights([text], best_1, lambda copies: self._examples(self.encode(copies)), self._logits)
        return Explanation(text, prediction, words)

    @property
    def _pad(self) -> int:
        return int(self.tokenizer.pad_token_id or 0)

    def alone(self, text: Encoded) -> list[Prediction]:
        """Return the answer for a text that has no neighbours."""
        return self.together([text])

    def together(self, batch: Sequence[Encoded]) -> list[Prediction]:
        """Return the answers of one pass over a batch."""
        probs_NC = inference.softmax(self._logits(self._examples(batch)))
        cut_N = np.array([each.uncut > len(each.ids) for each in batch])
        return list(answers(self.names, probs_NC, np.zeros(len(batch), dtype=bool), cut_N))

    def _examples(self, batch: Sequence[Encoded]) -> TextExamples:
        return TextExamples.unlabelled([each.ids for each in batch], [each.uncut for each in batch], self._pad)

    def _logits(self, examples: Examples) -> Array:
        outputs_NC = np.empty((len(examples), len(self.names)), dtype=np.float32)
        for rows in inference.batches(examples, self.at_once):
            batch = examples.collate(rows)
            ids_BT = batch["input_ids"].numpy()
            mask_BT = batch["attention_mask"].numpy() if "attention_mask" in batch else np.ones_like(ids_BT)
            outputs_NC[rows] = self.network({"input_ids": ids_BT, "attention_mask": mask_BT})
        return inference.finite(outputs_NC, "the network's outputs")


def open_export(folder: Path, exact: bool) -> Predictor:
    """Return an export of texts whose files are as they were written; `exact` computes one text at a time.

    Raises
    ------
    InputError
        It is one of images.
    TitheError
        A file has changed.
    """
    about, target = open_verified(folder)
    if about["task"] == "image":
        raise InputError(f"{folder} classifies images, and the server takes texts: open {folder} with onnxruntime")
    names = storage.read_json(folder / "config.json")["id2label"]
    opened = Exported(
        target.open(folder),
        vocabulary.open_tokenizer(folder, str(folder)),
        tuple(names[str(number)] for number in range(len(names))),
        1 if exact else target.AT_ONCE,
        folder.resolve().name,
        f"an export to {about['target']}, which gives the label of tithe to {about['equal_labels']:.2%} of "
        f"{about['rows']} rows",
    )
    if opened.at_once == 1:
        return opened
    return replace(opened, noise=predictor.noise(opened.encode, opened.together, opened.alone))
