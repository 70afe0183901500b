"""`tithe predict --explain`: the words that decided, in a terminal, as JSON, on a page."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from support.command_line import Run, Trained, assert_refused
from tithe.console import printable

TEXT = "the goal of the match"


def strongest(run: Run, trained: Trained, text: str) -> dict[str, Any]:
    """The word that contributes most, as JSON has it."""
    words: list[dict[str, Any]] = json.loads(run("predict", trained.best, text, "--explain", "--json").out)["words"]
    return max(words, key=lambda word: abs(word["weight"]))


def test_the_words_that_decided_are_below_the_line_of_the_text(trained: Trained, run: Run) -> None:
    plain = run("predict", trained.best, TEXT)
    explained = run("predict", trained.best, TEXT, "--explain")
    line, words = explained.out.splitlines()
    first = strongest(run, trained, TEXT)
    assert explained.code == 0 and f"{line}\n" == plain.out and "\x1b" not in explained.out
    assert words.startswith(f"\t{first['word']} {first['weight']:+.2f}, ") and words.count(", ") == 4


@pytest.mark.parametrize(("no_color", "code"), [("", r"\x1b\[1;3[34]m"), ("1", r"\x1b\[1m")])
def test_a_terminal_has_them_colored(
    no_color: str, code: str, trained: Trained, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = f"{TEXT} \x1b]0;title\x07"
    for name, value in (("FORCE_COLOR", "1"), ("TERM", "xterm"), ("NO_COLOR", no_color)):
        monkeypatch.setenv(name, value)
    out = run("predict", trained.best, text, "--explain").out
    word = re.escape(printable(strongest(run, trained, text)["word"]))
    assert re.search(rf"{code}{word}\x1b\[0m", out), out
    assert r"\x1b]0;title" in re.sub(r"\x1b\[[\d;]*m", "", out) and "\x1b]" not in out


def test_json_and_files_have_every_word(trained: Trained, run: Run, tmp_path: Path) -> None:
    source = tmp_path / "texts.txt"
    source.write_text(f"{TEXT}\n\nrocket orbit\n")
    out = run("predict", trained.best, "-i", source, "--explain", "--json").out
    first, empty, last = map(json.loads, out.splitlines())
    assert [word["word"] for word in first["words"]] == TEXT.split() and empty["words"] == []
    assert (first["label"], last["label"]) == ("sport", "space") and first["text"][4:8] == first["words"][1]["word"]
    written = run("predict", trained.best, "-i", source, "--explain", "--exact", "-o", tmp_path / "words.jsonl")
    assert written.code == 0 and "3 explanations in" in written.err
    exact = [json.loads(line) for line in (tmp_path / "words.jsonl").read_text().splitlines()]
    assert exact[0]["words"][1]["weight"] == pytest.approx(first["words"][1]["weight"], abs=1e-3)
    assert run("predict", trained.best, "-i", source, "--explain", "-o", tmp_path / "words.html").code == 0
    assert (tmp_path / "words.html").read_text().count("<section>") == 3


def test_the_columns_are_those_without_explain_and_the_words(trained: Trained, run: Run, tmp_path: Path) -> None:
    source = tmp_path / "reviews.csv"
    source.write_text("id,review,label,words\n7,the goal of the match,space,3\n")
    options = ("-i", source, "--text-column", "review", "--json")
    [plain] = map(json.loads, run("predict", trained.best, *options).out.splitlines())
    [explained] = map(json.loads, run("predict", trained.best, *options, "--explain").out.splitlines())
    assert [*explained] == [*plain, "predicted_words"] and explained["id"] == "7" and explained["label"] == "space"
    assert {name: explained[name] for name in plain} == plain
    assert [word["word"] for word in explained["predicted_words"]] == TEXT.split()


def test_other_files_and_a_batch_size_are_refused(trained: Trained, run: Run, tmp_path: Path) -> None:
    wrong = run("predict", trained.best, TEXT, "--explain", "-o", tmp_path / "words.csv")
    assert_refused(wrong, r"--explain can't write '.csv' files: choose one of .html, .jsonl")
    assert_refused(
        run("predict", trained.best, TEXT, "--explain", "--batch-size", 2),
        "--batch-size, --top-k, --html and --max-pixels have",
    )
