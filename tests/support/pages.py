"""HTML pages read back as a browser would: their elements in order, their text, and what they would load."""

from __future__ import annotations

import re
from html.parser import HTMLParser

# Text from outside that would be an element, end an attribute or begin an entity.
HOSTILE = """<script>alert("1") & 'two' &amp;"""

# Four words of Latin letters in a row: a sentence, since commands and settings have signs between their words.
_SENTENCE = re.compile(r"[A-Za-z']{2,}(?: [A-Za-z']{2,}){3,}")

_VOID = {"img", "meta", "wbr"}
_LOADING = {"link", "iframe", "object", "embed", "base", "form"}


class Page(HTMLParser):
    """A page whose elements are all closed in order, with the text of every cell and every image's address.

    The text is that of one language. Scripts are the page's own, each in the page, and no text of it.
    """

    def __init__(self, text: str, language: str = "en") -> None:
        super().__init__(convert_charrefs=True)
        self._hidden = {"en": "ru", "ru": "en"}[language]
        self._languages: list[str | None] = []
        self.text = ""
        self.rows: list[list[str]] = []
        self.titles: list[str] = []
        self.images: list[dict[str, str | None]] = []
        self._open: list[str] = []
        assert text.startswith("<!doctype html>\n<html")
        self.feed(text)
        self.close()
        assert self._open == [], f"not closed: {self._open}"
        assert not re.search(r"@import|url\(", text[text.index("<style>") : text.index("</style>")])
        assert self.images and all(str(image["src"]).startswith("data:image/png;base64,") for image in self.images)
        assert all(image["alt"] for image in self.images)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert tag not in _LOADING and len(set(names)) == len(names)
        assert not any(name == "href" or name.startswith("on") for name in names)
        assert tag != "script" or "src" not in names
        if tag not in _VOID:
            self._open.append(tag)
            self._languages.append(dict(attrs).get("lang") if tag == "span" else None)
        if tag == "img":
            self.images.append(dict(attrs))
        elif tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")
        elif tag == "h2":
            self.titles.append("")

    def handle_endtag(self, tag: str) -> None:
        assert self._open and self._open.pop() == tag, f"</{tag}> closes nothing"
        self._languages.pop()

    def handle_data(self, data: str) -> None:
        if (self._open and self._open[-1] in ("style", "script")) or self._hidden in self._languages:
            return
        self.text += data
        if {"td", "th"} & set(self._open):
            self.rows[-1][-1] += data
        elif "h2" in self._open:
            self.titles[-1] += data


def english_in(text: str) -> list[str]:
    """Return the English sentences that a page in Russian still has.

    The texts of rows are in the language of the data, and a script puts the title into that of the page.
    """
    own = re.sub(r'<title.*?</title>|<(\w+)[^>]* dir="auto"[^>]*>.*?</\1>', "", text, flags=re.DOTALL)
    return [found[0] for found in _SENTENCE.finditer(Page(own, "ru").text)]
