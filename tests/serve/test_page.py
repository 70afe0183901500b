"""The page in a real browser: answers, the words that decided, refusals, keys, narrow windows and the dark."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from support.browser import CHROMIUM, browser
from support.pages import HOSTILE
from support.serving import Client, listening, with_server
from tithe.predict import Explanation
from tithe.predict.occlusion import Word
from tithe.serve import app
from tithe.serve.limits import Limits
from tithe.serve.predictor import Checkpoint
from tithe.web.address import Address

TEXT = f"a {HOSTILE} \U0001f3c6 goal of the team"


@dataclass(frozen=True)
class Explaining:
    """The same model, with words that somebody else found."""

    inner: Checkpoint
    name: str = HOSTILE
    note: str = ""

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def explain(self, text: str) -> Explanation:
        start = text.index("goal")
        words = Word(start - 2, start - 1, -0.5), Word(start, start + 4, 2.0)
        [prediction] = self.inner.predict(self.inner.encode([text]))
        return Explanation(text, prediction._replace(abstained=True), words)


def test_the_page_loads_nothing_from_elsewhere(checkpoint: Checkpoint) -> None:
    reply = with_server(checkpoint, lambda client: client.send("GET", "/"))
    policy, page = reply.headers["content-security-policy"], reply.body.decode()
    nonce = policy.partition("'nonce-")[2].partition("'")[0]
    assert policy.startswith("default-src 'none';") and page.count("<script") == page.count(f'nonce="{nonce}">') == 3
    assert "src=" not in page and "url(" not in page and "http" not in page.replace("http-equiv", "")

    async def again(client: Client) -> set[str]:
        return {(await client.send("GET", "/")).headers["content-security-policy"] for _ in range(2)}

    assert len(with_server(checkpoint, again)) == 2, "a nonce is used once"


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")
def test_a_person_tries_it(checkpoint: Checkpoint, tmp_path: Path) -> None:
    def shown(id_: str) -> str:
        return str(tab.js(f"document.getElementById('{id_}').textContent"))

    made = app.create(Explaining(checkpoint), Address(token="s3cret"), Limits(characters=60))
    with listening(made) as url, browser(tmp_path) as tab:
        tab.visit(url)
        assert tab.js("document.activeElement.id") == "text" and shown("curl").startswith(f"curl {url}predict -H")
        tab.type(TEXT)
        tab.press("Tab")
        tab.type("wrong")
        tab.press("Enter")
        tab.until("!document.getElementById('error').hidden")
        assert shown("error").startswith("pass the server's token")
        tab.js("document.getElementById('language').click()")
        assert shown("error").startswith("передайте токен сервера")
        tab.js("document.getElementById('language').click()")
        tab.js("document.getElementById('token').value = 's3cret'")
        tab.press("Enter")
        tab.until("!document.getElementById('result').hidden")
        assert tab.js("document.getElementById('error').hidden") and shown("words") == TEXT
        assert tab.js("document.querySelector('#words .for').textContent") == "goal"
        assert tab.js("document.querySelector('#words .against').textContent") == "\U0001f3c6"
        assert shown("strongest") == "goal +2.00\U0001f3c6 −0.50" and shown("label") == "none of these"
        assert tab.js("document.querySelectorAll('#classes li').length") == 3
        assert tab.js("document.querySelectorAll('h1 *, #words script').length") == 0
        for width in (1280, 390):
            tab.look(width, dark=True)
            assert tab.js("document.documentElement.scrollWidth") <= width
