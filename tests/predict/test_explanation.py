"""What an explanation looks like: as data, in a notebook, on a page, in a file."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from support.pages import HOSTILE
from tithe.errors import InputError
from tithe.predict import Explanation, Prediction
from tithe.predict.explanation import Explained, check_output, write
from tithe.predict.occlusion import Word

EXPLANATION = Explanation(
    "so good, not bad",
    Prediction("pos", 0.9, {"neg": 0.1, "pos": 0.9}, False, False),
    (Word(3, 7, 2.0), Word(9, 12, -1.0)),
)


def test_it_is_plain_data() -> None:
    data = EXPLANATION.as_dict()
    assert (data["text"], data["label"], data["probabilities"]) == ("so good, not bad", "pos", {"neg": 0.1, "pos": 0.9})
    assert data["words"] == [
        {"word": "good", "start": 3, "end": 7, "weight": 2.0},
        {"word": "not", "start": 9, "end": 12, "weight": -1.0},
    ]
    assert json.loads(json.dumps(data)) == data


def test_the_pieces_are_the_text() -> None:
    pieces = list(EXPLANATION.pieces())
    assert [piece.text for piece in pieces] == ["so ", "good", ", ", "not", " bad"]
    assert [piece.share for piece in pieces] == [0, 1, 0, -0.5, 0]
    assert [word.start for word in EXPLANATION.strongest] == [3, 9]
    nothing = Explanation("?", EXPLANATION.prediction, ())
    assert [piece.text for piece in nothing.pieces()] == ["?"] and "?" in nothing._repr_html_()


def test_html_has_the_text_as_it_is_and_stronger_words_darker(tmp_path: Path) -> None:
    text = f"{HOSTILE} good"
    hostile = Explanation(
        text, Prediction(HOSTILE, 1.0, {HOSTILE: 1.0}, False, False), (Word(len(text) - 4, len(text), 1.0),)
    )
    shown = hostile._repr_html_()
    assert "<script>" not in shown and shown.count("&lt;script&gt;") == 2
    both = EXPLANATION._repr_html_()
    assert re.findall(r'title="(.*?)" style="background:#(\w{6})(\w\w)', both) == [
        ("+2.00", "0072b2", "7d"),
        ("-1.00", "e69f00", "3e"),
    ]
    assert re.sub(r"<.*?>", "", both).split()[2:] == ["so", "good,", "not", "bad"]
    assert write(tmp_path / "page.html", [Explained(EXPLANATION, {}), Explained(hostile, {})], "runs/first") == 2
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert page.count("<section>") == 2 and "runs/first" in page and page.count("<script>") == 1


def test_a_file_has_a_line_for_each(tmp_path: Path) -> None:
    rows = [{"id": 1, "words": EXPLANATION.words_with_weights()}, {"id": float("nan"), "words": []}]
    assert write(tmp_path / "words.jsonl", (Explained(EXPLANATION, row) for row in rows), "") == 2
    lines = (tmp_path / "words.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines] == [rows[0], {"id": None, "words": []}]
    with pytest.raises(InputError, match=r"can't write '.csv' files: choose one of .html, .jsonl"):
        check_output(tmp_path / "words.csv")
