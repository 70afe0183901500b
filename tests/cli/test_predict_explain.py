"""`tithe predict --explain`: the words that decided, in a terminal, as JSON, on a page."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from support.command_line import Run, Trained, assert_refused

TEXT = "the goal of the match"


def test_the_words_that_decided_are_below_the_line_of_the_text(trained: Trained, run: Run) -> None:
    plain = run("predict", trained.best, TEXT)
    explained = run("predict", trained.best, TEXT, "--explain")
    line, words = explained.out.splitlines()
    assert explained.code == 0 and f"{line}\n" == plain.out and "\x1b" not in explained.out
    found = re.fullmatch(r"\t(\w+) \+\d\.\d\d, (\w+) \+.*", words)
    assert found and {*found.groups()} == {"goal", "match"}


@pytest.mark.parametrize(
    ("no_color", "codes"), [("", r"\x1b\[1;34m(goal|match)\x1b\[0m"), ("1", r"\x1b\[1m(goal|match)")]
)
def test_a_terminal_has_them_colored(
    no_color: str, codes: str, trained: Trained, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("FORCE_COLOR", "1"), ("TERM", "xterm"), ("NO_COLOR", no_color)):
        monkeypatch.setenv(name, value)
    out = run("predict", trained.best, f"{TEXT} \x1b]0;title\x07", "--explain").out
    assert re.search(codes, out) and r"\x1b]0;title" in re.sub(r"\x1b\[[\d;]*m", "", out)
    assert "\x1b]" not in out and ("34m" in out) is not bool(no_color)


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


def test_other_files_and_a_batch_size_are_refused(trained: Trained, run: Run, tmp_path: Path) -> None:
    wrong = run("predict", trained.best, TEXT, "--explain", "-o", tmp_path / "words.csv")
    assert_refused(wrong, r"--explain can't write '.csv' files: choose one of .html, .jsonl")
    assert_refused(run("predict", trained.best, TEXT, "--explain", "--batch-size", 2), "--batch-size has no effect")
