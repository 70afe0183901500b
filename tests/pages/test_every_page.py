"""Every page in a real browser, of data that would do harm: it can be read by everybody, and nothing of it runs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from support import accessibility
from support.browser import CHROMIUM, Tab, browser
from support.every_page import FILLED, HARM, LONG, TOKEN, every_page

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")


def click(selector: str) -> str:
    return f"document.querySelector({json.dumps(selector)}).click()"


def there(selector: str) -> str:
    return f"document.querySelector({json.dumps(selector)}) !== null"


def write(id_: str, text: str) -> str:
    return f"document.getElementById({json.dumps(id_)}).value = {json.dumps(text)}"


def open_run(name: str) -> str:
    return f"[...document.querySelectorAll('td.name button')].find(each => each.textContent.includes({name!r})).click()"


# What is done on each page, and what is waited for then: expressions.
RUN = [
    (click("button[data-label]"), there("#cell li")),
    (click(".legend button"), there(".legend [aria-pressed=false]")),
]
ARROW = "document.querySelector('#map svg').dispatchEvent(new KeyboardEvent('keydown', { key: 'ArrowRight' }))"
LISTED = ("", "document.querySelectorAll('#table tbody tr').length === 5")
CHOOSE_ALL = "document.querySelectorAll('#table td input').forEach(each => each.click())"
COMPARED = "Boolean(document.getElementById('compared').contentDocument?.querySelector('h1'))"
ASK = "; ".join([write("text", f"{HARM} {LONG} rocket moon"), write("token", TOKEN), click("#classify")])
STEPS: dict[str, list[tuple[str, str]]] = {
    "run on texts": [*RUN, (ARROW, "!document.getElementById('point').hidden")],
    "run after a search": RUN,
    "run on images": RUN,
    "suite": [],
    "comparison": [],
    "audit": [(click("#classes button"), "document.getElementById('progress').value > 0")],
    "labels": [(click("#classes button"), "document.getElementById('progress').value > 0")],
    "explanations": [],
    "scored pictures": [],
    "board": [
        LISTED,
        (CHOOSE_ALL, "document.querySelectorAll('#curves path').length > 3"),
        (open_run("onerror"), there("#details canvas")),
        (click("#compare"), COMPARED),
    ],
    "students": [LISTED, (click("#show-students"), there("#students tbody tr"))],
    "pictures": [LISTED, (open_run("image"), there("#details .pictures img"))],
    "no comparison": [],
    "refusal": [],
    "try it": [(ASK, "!document.getElementById('explained').hidden")],
}
# What went wrong on a page, from its first moment on: harm that ran, errors of its scripts, what its policy refused.
WATCH = """
window.ran = 0;
window.wrong = [];
for (const name of ["alert", "confirm", "prompt"]) window[name] = () => { ran = 1; };
addEventListener("error", event => wrong.push(event.message));
addEventListener("unhandledrejection", event => wrong.push(String(event.reason)));
addEventListener("securitypolicyviolation", event => wrong.push(`${event.violatedDirective} ${event.blockedURI}`));
"""
FOREIGN = (
    "performance.getEntriesByType('resource').map(({ name }) => name)"
    ".filter(name => !name.startsWith(location.origin + '/'))"
)


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory, tiny_bert: Path) -> Iterator[dict[str, str]]:
    with every_page(tmp_path_factory.mktemp("pages"), tiny_bert) as made:
        assert made.keys() == STEPS.keys()
        yield made


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    with browser(tmp_path_factory.mktemp("browser")) as tab:
        tab.first_run(WATCH)
        yield tab


@pytest.fixture(params=STEPS)
def shown(request: pytest.FixtureRequest, pages: dict[str, str], tab: Tab) -> Tab:
    """A page with all that can be opened on it."""
    tab.look(1200, dark=False)
    tab.visit("about:blank")
    tab.visit(pages[request.param])
    for act, then in STEPS[request.param]:
        tab.js(act)
        tab.until(then)
    tab.js("document.querySelectorAll('details').forEach(each => { each.open = true; })")
    return tab


def test_it_can_be_read_by_everybody_and_nothing_of_it_runs(shown: Tab) -> None:
    found = {}
    for language in ("English", "Russian"):
        for dark in (False, True):
            for width in (1200, 390):
                shown.look(width, dark)
                wide = shown.js("document.documentElement.scrollWidth")
                lacks = accessibility.lacks(shown) if width == 390 or language == "English" else []
                lacks += [f"{wide} pixels wide"] if wide > width else []
                found |= {f"{language}, {width}, {'dark' if dark else 'light'}": lacks} if lacks else {}
        shown.js("document.getElementById('language').click()")
    assert not found
    assert shown.js("ran") == 0 and shown.js("wrong") == [] and shown.js(FOREIGN) == []
    text = shown.js("document.documentElement.innerText")
    assert FILLED not in text
    assert not {"\u202e", "\x07", "\0"} & {*text}
