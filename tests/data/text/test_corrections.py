"""Corrected labels: applied to their rows alone, counted, part of what identifies the data; refused for other data."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.text_sets import GOOD, dropped, kept, load, write_csv, write_parquet
from tithe import config, tasks
from tithe.errors import InputError

# Row 20 repeats the text of row 0 with the other label: both are dropped as a conflict.
PAIRS = [*GOOD, (GOOD[0][0], "dog"), ("a text  without\x00 a label", None)]


def correction(row: int, text: str | None = None, **what: Any) -> dict[str, Any]:
    text = PAIRS[row][0] if text is None else text
    return {"row": row, "text_sha256": hashlib.sha256(text.encode()).hexdigest(), **what}


@pytest.fixture
def written(tmp_path: Path) -> Callable[..., str]:
    def write(*entries: Any) -> str:
        path = tmp_path / "corrections.json"
        path.write_text(json.dumps({"corrections": entries}))
        return str(path)

    return write


def test_rows_get_their_corrected_labels_or_are_left_out(tmp_path: Path, written: Callable[..., str]) -> None:
    path = write_csv(tmp_path / "rows.csv", PAIRS)
    file = written(
        correction(1, label="cat"),
        correction(2, drop=True),
        correction(3, label="dog"),  # as it is
        correction(20, label="cat"),  # no conflict any more, but a copy
        correction(21, "a text without a label", label="dog"),
    )
    splits = load(path, corrections=file)
    labels = {row: label for row, _, label in kept(splits)}
    assert labels == {row: pair[1] for row, pair in enumerate(GOOD) if row != 2} | {1: "cat", 21: "dog"}
    assert dropped(splits) == [(2, "correction"), (20, "duplicate")]
    assert splits.report["corrections"] == {"file": "corrections.json", "relabelled": 3, "dropped": 1, "confirmed": 1}
    assert "corrections" not in load(path).report


def test_corrections_are_part_of_what_identifies_the_data_however_they_are_written(
    tmp_path: Path, written: Callable[..., str]
) -> None:
    path, one, two = write_parquet(tmp_path / "r.parquet", PAIRS), correction(1, label="cat"), correction(2, drop=True)
    ways = ([one, two], [two, {**one, "note": "seen"}], [one])
    both, again, less = (load(path, corrections=written(*way)).rows.source for way in ways)
    assert both == again and len({both, less, load(path).rows.source}) == 3


WRONG = [
    ([correction(1, "another text", label="cat")], "is for other data: row 1 has another text than the one corrected"),
    ([correction(0, label="cat") | {"row": 99}], "is for other data: it corrects row 99, and there are 22 rows"),
    ([correction(1, label="cat"), correction(1, drop=True)], "corrects row 1 twice, differently"),
    ([correction(1)], "correction 0: row 1 needs either a label or drop: true"),
    ([correction(1, label="cat", drop=True)], "correction 0: row 1 needs either a label or drop: true"),
    ([correction(1, label=["cat"])], "correction 0: row 1 needs either a label or drop: true"),
    ([{"row": "1", "text_sha256": "", "label": "cat"}], "row must be a position from 0"),
    ([1], "correction 0 is not an object with row, text_sha256"),
]


@pytest.mark.parametrize(("entries", "says"), WRONG, ids=[says for _, says in WRONG])
def test_a_file_that_does_not_fit_is_refused(
    tmp_path: Path, written: Callable[..., str], entries: list[Any], says: str
) -> None:
    with pytest.raises(InputError, match=says) as caught:
        load(write_csv(tmp_path / "rows.csv", PAIRS), corrections=written(*entries))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "says"), [(None, "no file"), ("[", "is not JSON"), ("[]", "is not a file of corrections")]
)
def test_what_is_no_file_of_corrections_is_refused_before_any_data_are_read(
    tmp_path: Path, content: str | None, says: str
) -> None:
    path, file = write_csv(tmp_path / "rows.csv", PAIRS), tmp_path / "corrections.json"
    if content is not None:
        file.write_text(content)
    run = config.parse({"data": {"path": str(path), "corrections": str(file)}})
    with pytest.raises(InputError, match=says):
        tasks.find("text").check(run)
