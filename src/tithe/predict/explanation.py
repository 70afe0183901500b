"""An explanation of one prediction: the words that decided, for Python, notebooks, terminals, JSON and pages."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from tithe import storage
from tithe.errors import InputError
from tithe.predict.kept_columns import jsonable
from tithe.predict.occlusion import Word
from tithe.predict.prediction import TEXT, Prediction
from tithe.predict.writers import Row
from tithe.report.html import render
from tithe.report.words import say

WORDS = "words"
_FORMATS = (".html", ".jsonl")


class Piece(NamedTuple):
    """A part of a text: a word, or what is between words.

    Attributes
    ----------
    weight
        See `Word`; None between words.
    share
        The weight as a part of the largest one of the text, from −1 to 1; 0 between words.
    """

    text: str
    weight: float | None = None
    share: float = 0.0


@dataclass(frozen=True)
class Explanation:
    """A prediction and what each word contributed to it. A notebook shows the text with its words colored.

    Attributes
    ----------
    text
        The input.
    prediction
        What the model predicts for it.
    words
        The words that the model reads, in their order; see `occlusion.word_weights`.
    """

    text: str
    prediction: Prediction
    words: tuple[Word, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return the text, the prediction, and each word with its place and weight, as plain data for JSON."""
        return {TEXT: self.text, **self.prediction._asdict(), WORDS: self.words_with_weights()}

    def words_with_weights(self) -> list[dict[str, Any]]:
        """Return each word with its place and weight, as plain data for JSON."""
        return [{"word": self.text[word.start : word.end], **word._asdict()} for word in self.words]

    @property
    def strongest(self) -> list[Word]:
        """The words by what they contribute, largest first, whether for the class or against it."""
        return sorted(self.words, key=lambda word: -abs(word.weight))

    def pieces(self) -> Iterator[Piece]:
        """Yield the whole text in pieces."""
        largest, end = max((abs(word.weight) for word in self.words), default=0.0) or 1.0, 0
        for word in self.words:
            yield Piece(self.text[end : word.start])
            yield Piece(self.text[word.start : word.end], word.weight, word.weight / largest)
            end = word.end
        yield Piece(self.text[end:])

    def _repr_html_(self) -> str:
        return render("explanation.html", explanation=self)


class Explained(NamedTuple):
    """An explanation, and its row in a table: the columns of the input, those of the prediction, and the words."""

    explanation: Explanation
    row: Row


def check_output(path: Path) -> None:
    """Check that explanations can be written to a file.

    Raises
    ------
    InputError
        Unsupported suffix, or the file can't be written.
    """
    if path.suffix.lower() not in _FORMATS:
        raise InputError(f"--explain can't write '{path.suffix}' files: choose one of {', '.join(_FORMATS)}")
    storage.check_writable_file(path)


def write(path: Path, explained: Iterable[Explained], checkpoint: str) -> int:
    """Write explanations as a page (.html) or as JSON (.jsonl), one a line; return their number.

    Parameters
    ----------
    checkpoint
        What the page says that they are of.
    """
    count = 0
    with storage.atomic_file(path) as aside:
        if path.suffix.lower() == ".html":
            shown = [each.explanation for each in explained]
            aside.write_text(_page(shown, checkpoint), encoding="utf-8")
            return len(shown)
        with aside.open("w", encoding="utf-8") as file:
            for count, each in enumerate(explained, start=1):  # noqa: B007
                file.write(json.dumps(jsonable(each.row), ensure_ascii=False) + "\n")
    return count


def _page(explanations: list[Explanation], checkpoint: str) -> str:
    about = say(
        "{texts} {texts:text|texts}, classified by {checkpoint}", texts=len(explanations), checkpoint=checkpoint
    )
    return render("explanations.html", title=say("Words that decided"), about=about, explanations=explanations)
