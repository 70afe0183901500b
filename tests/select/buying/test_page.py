"""The page of a round in a real browser: keys, new classes, what is kept, and files that the next call takes."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from support.browser import CHROMIUM, Tab, browser
from support.pages import HOSTILE
from tithe.data.text.labelling import Columns, UnlabelledTexts, read_labelled
from tithe.report.html import render
from tithe.report.words import both, say

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")

TEXTS = ["first", HOSTILE, '=1+1, "quoted"', "long " * 2000, "skipped", "not reached"]


def page(file: Path) -> Path:
    rows = [{"id": row, "text": text, "why": both(f"{HOSTILE} {{row}}")} for row, text in enumerate(TEXTS)]
    classes = [f"class {number}" for number in range(1, 13)]
    about = {"key": "f00", "columns": list(Columns()), "classes": classes, "rows": rows}
    file.write_text(
        render("label.html", title="texts", about=HOSTILE, says=[say("drawn at random"), HOSTILE], round=about),
        encoding="utf-8",
    )
    return file


def downloaded(tab: Tab, folder: Path, suffix: str) -> Path:
    tab.js(f"document.getElementById('{suffix}').click()")
    file = folder / f"labelled-f00.{suffix}"
    deadline = time.monotonic() + 30
    while not file.exists():
        assert time.monotonic() < deadline, "no download within 30 s"
        time.sleep(0.02)
    return file


def test_a_person_labels_with_keys(tmp_path: Path) -> None:
    shown = "document.getElementById('text').textContent"
    with browser(tmp_path) as tab:
        tab.open(page(tmp_path / "label.html"))
        assert tab.js("document.querySelectorAll('article *, #classes script').length") == 0
        tab.js("document.querySelector('main > details:not(.quiet)').open = true")
        said = [tab.js(f"document.querySelectorAll('.sentence')[{place}].innerText") for place in (0, 1)]
        assert said == ["Drawn at random.", f"{HOSTILE}."]
        assert tab.js("document.getElementById('why').textContent") == f"{HOSTILE} {{row}}"
        tab.press("9", "ArrowLeft", "2")  # a mistake, and its correction
        assert tab.js(shown) == HOSTILE
        tab.press("/")
        tab.type(HOSTILE)
        tab.press("Enter")
        tab.press("0", "b")  # the tenth class and the twelfth
        tab.press("1", "ArrowLeft", "Backspace", "ArrowRight")
        assert tab.js(shown) == "not reached"
        assert tab.js("document.getElementById('done').textContent") == "4 labelled, 1 skipped, 1 left."
        for width in (1280, 390):
            tab.look(width, dark=True)
            assert tab.js("document.documentElement.scrollWidth") <= width
        tab.open(tmp_path / "label.html")  # as after the browser was closed
        assert tab.js("document.getElementById('done').textContent") == "4 labelled, 1 skipped, 1 left."
        files = [downloaded(tab, tmp_path, suffix) for suffix in ("csv", "jsonl")]
    clean = [" ".join(text.split()) for text in TEXTS]
    expected = dict(zip(clean[:4], ["class 2", HOSTILE, "class 10", "class 12"], strict=True))
    for file in files:
        found = read_labelled([file], Columns(), UnlabelledTexts(clean, list(range(6)), {}))
        assert found.label_of == expected and list(found.passed) == ["skipped"]
