"""Sentences in two languages, and the catalogue of the Russian ones."""

from __future__ import annotations

import ast
import json
import re
import string
from collections.abc import Iterator
from pathlib import Path

import pytest

import tithe
from support.pages import HOSTILE
from tithe.report import words
from tithe.report.html import render
from tithe.report.words import LANGUAGES, Phrase, joined, say

SOURCE = Path(tithe.__file__).parent
ROWS = "{rows:,} {rows:row|rows} in {files} {files:file|files}: {what}"
IN_RUSSIAN = "{files} {files:файл|файла|файлов}: {rows:,} {rows:строка|строки|строк}, {what}"


@pytest.fixture
def catalogue(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(words, "_russian", lambda: {ROWS: IN_RUSSIAN, "yes": "да"})


# Rows, files, and both sentences.
PLURALS = [
    (1, 0, "1 row in 0 files: yes", "0 файлов: 1 строка, да"),
    (2, 11, "2 rows in 11 files: yes", "11 файлов: 2 строки, да"),
    (25012, 21, "25,012 rows in 21 files: yes", "21 файл: 25\N{NO-BREAK SPACE}012 строк, да"),
    (5, 104, "5 rows in 104 files: yes", "104 файла: 5 строк, да"),
]


@pytest.mark.parametrize(("rows", "files", "english", "russian"), PLURALS)
@pytest.mark.usefixtures("catalogue")
def test_values_are_filled_in_both_languages(rows: int, files: int, english: str, russian: str) -> None:
    assert say(ROWS, rows=rows, files=files, what=say("yes")).both == {"en": english, "ru": russian}


@pytest.mark.usefixtures("catalogue")
def test_pages_hold_both_languages_with_values_escaped() -> None:
    phrase = say(ROWS, rows=1, files=1, what=f"{HOSTILE}\u202e\x00")
    html = phrase.__html__()
    assert html.startswith('<span lang="en">1 row in') and html.count("<") == 4 and html.count("\\u202e\\x00") == 2
    assert say("no").__html__() == "no"
    assert joined([say("yes"), "no"]).text("ru") == "да, no"


# TITHE_LANG, and the language of `str` and of a page without JavaScript.
CHOSEN = [("ru", "да", "ru"), ("ru_RU.UTF-8", "да", "ru"), ("en", "yes", "en"), ("de", "yes", None), ("", "yes", None)]


@pytest.mark.parametrize(("value", "text", "chosen"), CHOSEN)
@pytest.mark.usefixtures("catalogue")
def test_the_environment_chooses(value: str, text: str, chosen: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TITHE_LANG", value)
    assert str(say("yes")) == text and words.chosen_language() == chosen
    page = render("label.html", title="t", about=say("yes"), says=[], round={})
    opening = f'<html lang="{chosen}" data-language="{chosen}">' if chosen else '<html lang="en">'
    assert page.startswith(f"<!doctype html>\n{opening}\n")


def sentences() -> Iterator[tuple[str, str]]:
    """Yield every sentence that is said, with its file."""
    for path in SOURCE.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        for node in ast.walk(ast.parse(text)) if "say(" in text else ():
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "say":
                assert isinstance(node.args[0], ast.Constant), f"{path}:{node.lineno} says what is no literal"
                yield str(node.args[0].value), path.name
    for path in (SOURCE / "report/templates").iterdir():
        text = path.read_text(encoding="utf-8")
        found = re.findall(r"(?<![.\w])say\(\s*((?:\"[^\"]*\"\s*)+)[,)]", text)
        assert path.suffix != ".html" or len(found) == len(re.findall(r"(?<![.\w])say\(", text)), f"{path}: no literal"
        yield from ((ast.literal_eval(f"({each})"), path.name) for each in found)


def places(pattern: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(pattern) if name}


def forms(pattern: str) -> list[int]:
    return [spec.count("|") + 1 for _, _, spec, _ in string.Formatter().parse(pattern) if spec and "|" in spec]


def test_every_sentence_has_a_russian_one_with_the_same_values() -> None:
    catalogue = json.loads((SOURCE / "report/russian.json").read_text(encoding="utf-8"))
    said = dict(sentences())
    nothing_to_translate = {text for text in said if not re.search(r"[a-zA-Z]{2}", re.sub(r"\{.*?\}|tithe", "", text))}
    missing = {text: file for text, file in said.items() if text not in catalogue.keys() | nothing_to_translate}
    assert missing == {}, "add them to report/russian.json"
    assert [text for text in catalogue if text not in said] == [], "nobody says these"
    for english, russian in catalogue.items():
        assert places(english) == places(russian), english
        assert {*forms(english)} <= {2} and {*forms(russian)} <= {3}, english
        assert not re.search(r"[<>]", russian) and russian.strip() == russian


def test_phrases_are_values() -> None:
    assert say("{n} rows", n=1) == Phrase("{n} rows", {"n": 1}) and LANGUAGES == ("en", "ru")
