"""Write `docs/encoders.md`: train a tiny encoder of every family; `make slow` fails if the page says otherwise.

`docs/encoders.ru.md` is made from it.
"""

import os
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from support import runs  # noqa: E402
from support.encoder_families import FAMILIES, REFUSED  # noqa: E402
from support.family_outcomes import Outcome, outcome  # noqa: E402

_HEAD = """# Encoders

*По-русски: [encoders.ru.md](encoders.ru.md).*

Written by `python docs/make_encoders.py`: a tiny encoder of every family, with random weights, is trained for an epoch
with the default settings on a machine with native bf16. `make slow` repeats it and compares. A name may occur in
several forms. *Alone and padded* is the largest difference, in float32, between a class's probability for a text alone
and for the same text padded beside a longer one.

Before anything long, every encoder is checked without its weights (positions, size of its table of tokens), and run
once forward and backward on a short row beside one of full length, in the precision of training.

| family | class | result | alone and padded |
|---|---|---|---|
"""

_RUSSIAN_HEAD = """# Энкодеры

*In English: [encoders.md](encoders.md).*

Страницу пишет `python docs/make_encoders.py`: маленький энкодер каждого семейства, со случайными весами, обучается одну
эпоху с настройками по умолчанию на машине с аппаратной поддержкой bf16. `make slow` повторяет это и сравнивает. Одно
имя может встретиться в нескольких вариантах. *Разница* — наибольшая, в float32, между вероятностью класса для одного
текста и для того же текста с паддингом, рядом с более длинным. Отказы приведены такими, какими их печатает программа.

Прежде чем начнётся что-то долгое, каждый энкодер проверяется без весов (позиции, размер таблицы токенов), а затем
проходит вперёд и назад по короткой строке рядом со строкой полной длины, в той точности, в которой будет обучение.

| семейство | класс | результат | разница |
|---|---|---|---|
"""
# Refusals stay as the program prints them.
_RUSSIAN_RESULTS = {
    " | trained": " | обучается",
    ", in float32": ", в float32",
    ", with a warning: follows the attention mask only in part": ", с предупреждением: учитывает маску лишь отчасти",
}


def page(outcomes: dict[str, Outcome]) -> str:
    """Return the page."""
    return _HEAD + "".join(f"| {family} | {_cells(each)} |\n" for family, each in outcomes.items())


def russian(english: str) -> str:
    """Return the page in Russian."""
    table = english.removeprefix(_HEAD)
    for said, meant in _RUSSIAN_RESULTS.items():
        table = table.replace(said, meant)
    return _RUSSIAN_HEAD + table


def _cells(each: Outcome) -> str:
    if each.difference is None:
        return f"`{each.network}` | {each.refusal} | "
    size = "< 1e-5" if each.difference < 1e-5 else f"{each.difference:.0e}"
    return f"`{each.network}` | {', '.join(['trained', *each.warnings])} | {size}"


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TITHE_CACHE"] = f"{folder}/cache"
        outcomes = {}
        for family in [*FAMILIES, *REFUSED]:
            home = Path(folder) / family
            home.mkdir()
            outcomes[family] = outcome(family, home, runs.run)
            sys.stderr.write(f"{family}: {_cells(outcomes[family])}\n")
    english = page(outcomes)
    (ROOT / "docs/encoders.md").write_text(english, encoding="utf-8")
    (ROOT / "docs/encoders.ru.md").write_text(russian(english), encoding="utf-8")
