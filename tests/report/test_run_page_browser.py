"""The page of a run in a real browser: cells, curves, the map, both languages, and texts that would do harm."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.browser import CHROMIUM, browser
from support.pages import HOSTILE
from tithe.report import learning, mistakes
from tithe.report.canvas import canvas, png
from tithe.report.html import Image, Table, render
from tithe.report.words import say

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")

TEXT = f"</script><img src=x onerror=alert(1)>{HOSTILE}\u202e\u0000 end"
SHOWN = TEXT.replace("\u202e", r"\u202e").replace("\u0000", r"\x00")
HISTORY = [
    *({"kind": "train", "step": step, "batch_loss": 1 / step, "lr_0": 0.1 / step} for step in range(1, 9)),
    {"kind": "val", "step": 8, "loss": 0.5, "f1": 0.7, "accuracy": 0.8},
]


def page(file: Path) -> Path:
    names = [HOSTILE, "__proto__", "кухня"]
    row = {"row": 7, "label": 0, "predicted": 1, "probability": 0.9, "probability_of_label": 0.1, "text": TEXT}
    examples = [{**row, "cut": True, "suspect": True, "words": [[0, 9, 1.0], [9, 13, -0.5]]}]
    details = {"examples": examples, "worst": [0], "slices": [], "suspects": 1}
    scores = {
        "per_class": [{"class": name, "precision": 0.1, "recall": 0.2, "f1": 0.3, "rows": 5} for name in names],
        "confusion_matrix": [[3, 2, 0], [0, 5, 0], [0, 0, 5]],
    }
    picture = Image(png(canvas(1, 1)[0]), HOSTILE)
    points = [{"at": at, "row": 1, "label": 0, "chosen": True, "text": TEXT} for at in ([0, 0], [1000, 1000])]
    contents = {
        "title": HOSTILE,
        "about": HOSTILE,
        "of_part": say("test rows"),
        "headline": [("0.9", HOSTILE)],
        "notes": [("grave", say("Encoder: {verdict}.", verdict=HOSTILE))],
        "scores": Table((HOSTILE,), [(HOSTILE,)]),
        "learning": picture,
        "curves": learning.chart(HISTORY, seconds=16.0),
        "names": names,
        "squares": mistakes.squares(scores, examples),
        "pairs": [],
        "rows": mistakes.for_script(examples, names),
        "are_images": False,
        "worst": mistakes.worst(details, names),
        "classes": mistakes.classes(scores),
        "slices": None,
        "matrices": [picture],
        "figures": [picture],
        "authenticity": None,
        "data": [(HOSTILE, HOSTILE)],
        "class_sizes": Table((), []),
        "selection": {
            "sentence": HOSTILE,
            "parts": HOSTILE,
            "why": None,
            "reasons": None,
            "map": picture,
            "points": points,
        },
        "search": None,
        "cost": [],
        "run": [],
        "commands": HOSTILE,
        "config": HOSTILE,
    }
    file.write_text(render("run.html", **contents), encoding="utf-8")
    return file


def test_a_person_reads_the_page(tmp_path: Path) -> None:
    with browser(tmp_path) as tab:

        def text(selector: str) -> str:
            return str(tab.js(f"document.querySelector({selector!r}).innerText"))

        tab.open(page(tmp_path / "report.html"))
        assert tab.js("performance.getEntriesByType('resource').length") == 0
        assert tab.js("document.querySelectorAll('[onerror], img:not([src^=\"data:\"]), h1 *, .text img').length") == 0
        assert text(".rows .text") == f"{SHOWN}…" and text("h1") == HOSTILE

        tab.js("document.querySelector('td.wrong button').focus()")
        tab.press("Enter")
        assert text("#cell > p > span") == f"1 of 2 rows: true class {HOSTILE}, predicted __proto__"
        assert text("#cell .text") == f"{SHOWN}…" and text("#cell .tag") == "label worth a look"
        assert tab.js("document.querySelector('#language').textContent") == "RU"
        tab.js("document.querySelector('#language').click()")
        assert text("h2") == "Метрики" and tab.js("document.documentElement.lang") == "ru"
        assert text("#cell > p > span") == f"1 из 2 строк: истинный класс {HOSTILE}, предсказан __proto__"
        assert tab.js("document.querySelector('.curves [data-key^=x]').textContent") == "шаг оптимизатора"
        tab.open(tmp_path / "report.html")  # the tab keeps the choice
        assert text("h2") == "Метрики"
        tab.js("document.querySelector('#language').click()")

        value = "document.querySelector('.legend output').textContent"
        assert tab.js("document.querySelectorAll('.curves svg[role=img]').length") == 3
        tab.js("document.querySelector('.curves svg').focus()")
        tab.press("Home", "ArrowRight")
        assert tab.js(value) == f"{(0.9 * 1 + 0.5) / 1.9:.4g}"
        assert tab.js("document.querySelector('.cursor text').textContent") == "2"
        tab.js("document.querySelector('.curves [data-key=xtime]').click()")
        tab.js("document.querySelector('.curves svg').focus()")
        tab.press("Home")
        assert tab.js("document.querySelector('.cursor text').textContent") == "2", "eight steps in 16 s"
        tab.js("document.querySelector('.legend button').click()")
        assert tab.js(value) == "" and tab.js("document.querySelector('.legend [aria-pressed=false]') !== null")

        tab.js("document.querySelector('#map svg').focus()")
        tab.press("ArrowRight")
        assert text("#point") == f"{HOSTILE} · chosen · row 1\n{SHOWN}"
        for width in (1280, 390):
            for dark in (False, True):
                tab.look(width, dark)
                assert tab.js("document.documentElement.scrollWidth") <= width
