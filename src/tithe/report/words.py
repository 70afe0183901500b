"""What pages say, in English and in Russian: a page holds both, and shows one."""

from __future__ import annotations

import json
import os
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from markupsafe import Markup, escape

from tithe import console
from tithe.errors import InputError

LANGUAGES = ("en", "ru")
_SPAN = Markup('<span lang="en">{}</span><span lang="ru">{}</span>')


def say(english: str, /, **values: object) -> Phrase:
    """Return a sentence of a page in both languages.

    Parameters
    ----------
    english
        The sentence, as `russian.json` has it, with named places for the values as in `str.format`. What follows a
        number is written `{rows:row|rows}`, in Russian `{rows:строка|строки|строк}`.
    values
        Numbers, text of any kind, or other phrases.

    Examples
    --------
    >>> str(say("{rows} rows, {classes} classes", rows=700, classes=8))
    '700 rows, 8 classes'
    """
    return Phrase(english, values)


@dataclass(frozen=True)
class Phrase:
    """A sentence in both languages; `str` gives that of TITHE_LANG, else English."""

    english: str
    values: Mapping[str, object]

    def __str__(self) -> str:
        return self.text(chosen_language() or "en")

    def text(self, language: str) -> str:
        """Return the sentence in one language, as text."""
        return _Filled(language).vformat(self._pattern(language), (), self.values)

    def __html__(self) -> str:
        """Return both, of which the style of a page hides one; the values are escaped."""
        english, russian = (escape(console.lines(self.text(language))) for language in LANGUAGES)
        return english if english == russian else _SPAN.format(english, russian)

    @property
    def both(self) -> dict[str, str]:
        """The sentence by language, for scripts."""
        return {language: self.text(language) for language in LANGUAGES}

    @property
    def patterns(self) -> dict[str, str]:
        """The sentence by language with its places for values, for scripts that fill them."""
        return {language: self._pattern(language) for language in LANGUAGES}

    def _pattern(self, language: str) -> str:
        return _russian().get(self.english, self.english) if language == "ru" else self.english


class SaidError(InputError):
    """An input error that pages show too: in English where it is printed, in both languages on a page."""

    def __init__(self, phrase: Phrase) -> None:
        super().__init__(phrase.text("en"))
        self.phrase = phrase


def reason(error: Exception) -> str | Phrase:
    """Return what an error says, in both languages if it has them, else the first line."""
    return error.phrase if isinstance(error, SaidError) else next(iter(str(error).splitlines()), "")


def both(text: str | Phrase) -> dict[str, str]:
    """Return a text by language; one that is not a phrase is the same in each."""
    return text.both if isinstance(text, Phrase) else dict.fromkeys(LANGUAGES, text)


def in_english(text: str | Phrase) -> str:
    """Return a text in English, as programs read it, whatever TITHE_LANG says."""
    return text.text("en") if isinstance(text, Phrase) else text


def joined(parts: Sequence[str | Phrase], separator: str = ", ") -> Phrase:
    """Return several phrases as one."""
    return Phrase(separator.join(f"{{_{place}}}" for place in range(len(parts))), _numbered(parts))


def _numbered(parts: Sequence[str | Phrase]) -> dict[str, object]:
    return {f"_{place}": part for place, part in enumerate(parts)}


def chosen_language() -> str | None:
    """Return the language that TITHE_LANG asks for, such as `ru` or `ru_RU.UTF-8`; None where it names none of them."""
    language = os.environ.get("TITHE_LANG", "")[:2].lower()
    return language if language in LANGUAGES else None


class _Filled(string.Formatter):
    """`str.format` for values that are phrases, for what follows a number, and for Russian thousands."""

    def __init__(self, language: str) -> None:
        self.language = language

    def format_field(self, value: Any, format_spec: str) -> str:
        if "|" in format_spec:
            return _plural(value, format_spec.split("|"))
        if isinstance(value, Phrase):
            return value.text(self.language)
        text = format(value, format_spec)
        return text.replace(",", "\N{NO-BREAK SPACE}") if self.language == "ru" and "," in format_spec else text


def _plural(count: int, forms: Sequence[str]) -> str:
    """Return the form of a word after a number: two in English (1 row, 2 rows), three in Russian."""
    if len(forms) == 2:
        return forms[count != 1]
    tens, ones = count % 100, count % 10
    if ones == 1 and tens != 11:
        return forms[0]
    return forms[1] if 2 <= ones <= 4 and not 12 <= tens <= 14 else forms[2]


@cache
def _russian() -> dict[str, str]:
    text = resources.files("tithe.report").joinpath("russian.json").read_text(encoding="utf-8")
    catalogue: dict[str, str] = json.loads(text)
    return catalogue
