"""Arrays of texts and labels: what a loop over the rows makes of them."""

import random

import numpy as np
import pyarrow as pa
import pytest

from tithe.data.clean import clean_text, why_not_text
from tithe.data.labels import normalise
from tithe.data.readers import Unreadable
from tithe.data.text import classes, cleaning
from tithe.errors import InputError

PIECES = ["a", "word", " ", "  ", "\t", "\n", "é", "e\u0301", "\u200b", "\x00", "\x7f", "~", "\u00a0", "река", "🙂", ""]


def texts() -> list[str | None]:
    rng = random.Random(0)
    some = ["".join(rng.choices(PIECES, k=rng.randrange(6))) for _ in range(3000)]
    return [None if rng.random() < 0.05 else text for text in [*some, *("plain text", " a", "a ", "  ", " ")]]


def by_row(values: list[object]) -> tuple[list[str], dict[int, str]]:
    why_not = {row: reason for row, value in enumerate(values) if (reason := why_not_text(value))}
    return ["" if row in why_not else clean_text(str(value)) for row, value in enumerate(values)], why_not


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()], ids=str)
def test_an_array_is_cleaned_as_its_rows_are(kind: pa.DataType) -> None:
    array = pa.array([*texts(), "sliced off"], kind)
    for start in (0, 7):  # an array that begins in the middle of another one
        part = array.slice(start, len(texts()) - start)
        found, expected = cleaning.cleaned(part), by_row(part.to_pylist())
        assert (found.texts.to_pylist(), found.problems) == expected and found.texts.type == pa.large_string()


def test_a_list_is_cleaned_as_its_rows_are() -> None:
    values = [*texts(), 3, float("nan"), Unreadable("half a row", 7), b"bytes"]
    found = cleaning.cleaned(values)
    assert (found.texts.to_pylist(), found.problems) == by_row(values)
    assert set(found.problems.values()) == {"missing_text", "empty_text", "not_text", "unreadable"}


def test_texts_that_need_no_change_are_found_by_their_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cleaning, "clean_text", lambda text: pytest.fail("looked at by itself"))
    plain = pa.array([f"some text, number {i} ~" for i in range(100)])
    assert cleaning.cleaned(plain).texts.to_pylist() == plain.to_pylist()


LABELS = {
    "strings": pa.array(["cat", " cat ", "1", "1.0", "", None, "True", "dog"]),
    "whole numbers": pa.array([3, None, 2, 3, 10], pa.int32()),
    "booleans": pa.array([True, None, False, True]),
    "of any kind": ["1", 1, 1.0, True, None, float("nan"), "cat", b"cat", np.float32(0.1)],
}


@pytest.mark.parametrize("values", LABELS.values(), ids=LABELS)
def test_classes_are_those_of_the_rows(values: list[object] | pa.Array) -> None:
    known = classes.Classes({})
    rows = values.to_pylist() if isinstance(values, pa.Array) else values
    for _ in range(2):
        found = [known.names[code] if code >= 0 else None for code in known.codes(values)]
        assert list(map(repr, found)) == [repr(normalise(value)) for value in rows]


def test_a_symbol_that_is_not_in_the_mapping_has_no_class() -> None:
    known = classes.Classes({"a": "food", "7": "seven"})
    codes = known.codes(pa.array(["a", "7.0", "b", None]))
    assert [classes.WHY_NOT.get(code, known.names[code]) for code in codes.tolist()] == [
        "food",
        "seven",
        "unknown_symbol",
        "missing_label",
    ]


def test_a_value_that_is_no_label_is_told_with_its_place() -> None:
    with pytest.raises(InputError, match="multi-label") as caught:
        classes.Classes({}).codes(["cat", "dog", ["cat", "dog"], 5])
    assert caught.value.position == 2  # type: ignore[attr-defined]
