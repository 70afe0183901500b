"""The board in a real browser: sort, filter, choose, a point that arrives, both languages, hostile names, 390 px."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from support.boards import add, copied, step
from support.browser import CHROMIUM, Tab, browser
from support.comparisons import edit
from support.serving import listening
from tithe import storage
from tithe.board import app
from tithe.board.shelf import Shelf
from tithe.web.address import Address

HOSTILE = "<img src=x onerror=run()>'\"&\u202e"


@pytest.fixture
def folder(trained: Path, tmp_path: Path) -> Path:
    """Fourteen runs, of which one is of a stranger, one is damaged and one has no results yet."""
    folder = tmp_path / "board"
    for number in range(11):
        home = copied(trained, folder / f"run {number}", train__learning_rate=0.001 * (number + 1))
        edit(home / "metrics.json", lambda m, n=number: m.update(test_score=0.5 + n / 100))  # type: ignore[misc]
    hostile = copied(trained, folder / HOSTILE, seed=7, model__encoder=HOSTILE)
    edit(hostile / "data_report.json", lambda d: d.update(file=HOSTILE))
    storage.write_json(hostile / "labels.json", {"names": [HOSTILE]})
    point = {"at": [1, 2], "label": 0, "chosen": True, "text": HOSTILE}
    storage.write_json(hostile / "selection_points.json", [point])
    (copied(trained, folder / "damaged") / "config.json").write_text("{")
    (copied(trained, folder / "live", train__epochs=9) / "metrics.json").unlink()
    return folder


def names(tab: Tab) -> list[str]:
    return list(tab.js("[...document.querySelectorAll('#table td.name button')].map(b => b.textContent)"))


def sort_by(tab: Tab, key: str) -> None:
    tab.js(f"document.querySelector('#table thead [data-key=\"{key}\"]').click()")
    tab.until(f"document.querySelector('#table th[aria-sort] button').dataset.key === '{key}'")


def type_filter(tab: Tab, text: str, count: int) -> None:
    """Clear the filter and type a text, which the key / is for."""
    tab.js("document.getElementById('filter').blur()")
    tab.press("/")
    tab.js("document.activeElement.value = ''; document.activeElement.dispatchEvent(new Event('input'))")
    tab.type(text)
    tab.until(f"document.querySelectorAll('#table tbody tr').length === {count}")


def check(tab: Tab, name: str) -> None:
    label = f"Choose {name}"
    tab.js(f"document.querySelector('#table input[aria-label=\"{label}\"]').click()")


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")
def test_a_person_looks_at_runs(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "browser").mkdir()
    shelf = Shelf(folder)
    served = listening(app.create(shelf, Address()), shelf.stop)
    with served as url, browser(tmp_path / "browser") as tab, storage.locked(folder / "live"):
        tab.visit(url)
        tab.js("window.ran = 0; window.run = () => { window.ran += 1; }")
        tab.until("document.querySelectorAll('#table tbody tr').length === 14")
        heads = tab.js("[...document.querySelectorAll('#table thead button')].map(b => b.textContent)")
        assert heads[:4] == ["name", "state", "validation", "test"] and {"learning_rate", "seed", "encoder"} <= {*heads}
        assert "weight_decay" not in heads, "all runs have the same"

        sort_by(tab, "test")
        assert [name for name in names(tab) if name.startswith("run ")] == [f"run {n}" for n in range(10, -1, -1)]
        sort_by(tab, "name")
        in_order = names(tab)
        assert in_order.index("run 2") < in_order.index("run 10")
        type_filter(tab, "learning_rate<0.0045", 4)
        type_filter(tab, "weight_decay=0.01", 13)  # no column, and the damaged one has no settings
        type_filter(tab, "data.val_ratio>0.3", 0)
        type_filter(tab, "damaged", 1)
        assert "config.json is damaged" in tab.js("document.querySelector('#table tbody').textContent")
        type_filter(tab, "", 14)

        # Keys: arrows go through the rows, Space chooses.
        tab.js("document.querySelector('#table input[tabindex=\"0\"]').focus()")
        tab.press("End", "ArrowUp", " ")
        tab.until("document.querySelectorAll('#names li').length === 1")
        tab.js("document.getElementById('clear').click()")

        check(tab, "live")
        check(tab, "run 3")
        tab.until("document.querySelectorAll('#curves path').length >= 6")
        tab.until("document.querySelector('#curves output').textContent.length > 0")
        add(folder / "live", step(9999, 0.1234))
        tab.until("[...document.querySelectorAll('#curves output')].some(o => o.textContent === '0.1234')")
        tab.until("[...document.querySelectorAll('#table tr')].some(row => row.textContent.includes('9999'))")

        tab.js("document.getElementById('compare').click()")
        tab.until("Boolean(document.getElementById('compared').contentDocument?.querySelector('.notes li'))")
        notes = tab.js("document.getElementById('compared').contentDocument.querySelector('.notes').textContent")
        assert "not finished (2 of 9 epochs done)" in notes

        # A folder with a hostile name, and what is in it: shown as it is, and nothing of it runs.
        tab.js("[...document.querySelectorAll('td.name button')].find(b => b.textContent.includes('onerror')).click()")
        tab.until("document.querySelector('#details canvas') !== null")
        tab.js("document.querySelector('#details canvas').focus()")
        tab.press("ArrowRight")
        tab.until("document.querySelector('#details output').textContent.includes('onerror')")
        check_all = "document.querySelectorAll('#table img, #details img, #chosen img, #students img').length"
        tab.js("document.getElementById('show-students').click()")
        tab.until("document.querySelectorAll('#students tbody tr').length === 2")
        tab.js("document.getElementById('by').value = 'folder'")
        tab.js("document.getElementById('by').dispatchEvent(new Event('change'))")
        tab.until("document.querySelectorAll('#students tbody tr').length === 14")
        assert tab.js("document.querySelector('#students').textContent").count("onerror") == 2
        assert tab.js(check_all) == 0 and tab.js("window.ran") == 0
        tab.js("document.getElementById('show-runs').click()")

        shutil.rmtree(folder / "run 5")
        tab.until("document.querySelectorAll('#table tbody tr').length === 13")

        tab.js("document.getElementById('language').click()")
        tab.until("document.querySelector('#table .state.running')?.textContent === 'идёт'")
        assert tab.js("document.getElementById('filter').placeholder").startswith("Отбор")

        # What goes wrong is said in the language of the page, and in the other one when that changes.
        (folder / HOSTILE / "selection_points.json").write_text("[")
        tab.js("[...document.querySelectorAll('td.name button')].find(b => b.textContent.includes('onerror')).click()")
        instead = "document.querySelector('#details .map').textContent"
        tab.until(f"{instead}.startsWith('это не читается: ')")
        switch, clear = (f"document.getElementById('{name}').click()" for name in ("language", "clear"))
        tab.js(switch)
        tab.until(f"{instead}.startsWith('this can\\'t be read: ')")
        tab.js("document.querySelectorAll('#table input:not(:checked)').forEach(box => box.click())")
        message = "document.getElementById('message')"
        assert tab.js(f"{message}.textContent") == "Curves and comparisons take 12 at most."
        tab.js(switch)
        assert "не больше 12" in tab.js(f"{message}.hidden || {message}.textContent")
        tab.js(clear)
        assert tab.js(f"{message}.hidden")
        tab.until("document.querySelector('#table input:checked') === null")  # drawn with the next picture
        tab.js("[...document.querySelectorAll('#table input')].slice(0, 2).forEach(box => box.click())")
        for width in (1280, 390):
            tab.look(width, dark=True)
            assert tab.js("document.documentElement.scrollWidth") <= width
        kept = tab.js("location.href")
        tab.visit("about:blank")
        tab.visit(kept)
        tab.until("document.querySelectorAll('#names li').length === 2")
