"""Mistakes of the author of a strategy: one line of which strategy, what it returned, and what is wanted."""

from __future__ import annotations

import logging
import re
from pathlib import Path

import pytest

from support.pools import pool, select
from tithe import config
from tithe.errors import InputError, TitheError
from tithe.select import inner
from tithe.select.rounds import decision_of

SCORE = ("score(pool, rng, options)", "an array of 120 finite numbers, one for each row")
PICK = (
    "pick(pool, count, rng, options)",
    "a pair: {count} distinct rows from 0 to {last}, and a finite score for each",
)
MATCH = ("match(pool, quota_C, rng, options)", "a pair: 12 distinct rows from 0 to 119, and a finite weight for each")
ROWS = "np.concatenate([np.flatnonzero(pool.labels == c)[:q] for c, q in enumerate(quota_C)])"
RETURNED = {
    "no score": (SCORE, "None", "None"),
    "a word": (SCORE, "'high'", "'high' (str)"),
    "words": (SCORE, "np.full(len(pool), 'a')", "an array of <U1, shape (120,)"),
    "too few scores": (SCORE, "pool.lengths[1:]", "an array of int64, shape (119,)"),
    "scores of classes": (SCORE, "pool.probs", "an array of float64, shape (120, 3)"),
    "a ragged list": (SCORE, "[[1], [1, 2]]", "a list of 2"),
    "no number": (SCORE, "np.where(pool.lengths < 99, np.nan, 0)", "nan for row 0 of the data file"),
    "an endless one": (SCORE, "np.where(np.arange(120) == 3, np.inf, 0)", "inf for row 30 of the data file"),
    "picked rows alone": (PICK, "np.arange(count)", "an array of int64, shape ({count},)"),
    "a picked row twice": (PICK, "(np.zeros(count, int), np.zeros(count))", "row 0 {count} times"),
    "a picked row too many": (PICK, "(np.arange(count + 1), np.zeros(count + 1))", "{more} rows"),
    "rows that are fractions": (
        PICK,
        "(np.arange(count) + 0.5, np.zeros(count))",
        "as rows an array of float64, shape",
    ),
    "rows as a mask": (PICK, "(np.ones(count, bool), np.zeros(count))", "as rows an array of bool, shape"),
    "a row outside": (PICK, "(np.arange(count) + 99, np.zeros(count))", "row 99"),
    "a score that is none": (PICK, "(np.arange(count), [None] * count)", "as scores a list of {count}"),
    "a picked score of nan": (
        PICK,
        "(np.arange(count), np.full(count, np.nan))",
        "a score that is not a finite number",
    ),
    "matched rows alone": (MATCH, ROWS, "an array of int64, shape (12,)"),
    "weights of all rows": (MATCH, f"({ROWS}, np.ones(len(pool)))", "as weights an array of float64, shape (120,)"),
    "a weight of nan": (MATCH, f"({ROWS}, np.full(12, np.nan))", "a weight that is not a finite number"),
}


def strategy(folder: Path, function: str, body: str, needs: str = '("probs", "lengths")') -> Path:
    file = folder / "mine.py"
    code = f"import numpy as np\nfrom tithe.select.buying.evidence import Candidate, Decision\nNEEDS = {needs}\n"
    file.write_text(f"{code}\n\ndef {function}:\n    return {body}\n")
    return file


@pytest.mark.parametrize("name", RETURNED)
def test_what_was_returned_and_what_is_wanted(name: str, tmp_path: Path) -> None:
    (function, wanted), body, returned = RETURNED[name]
    file, found = strategy(tmp_path, function, body), pool()
    size = int((found.labels == 0).sum())
    count = 12 if function.startswith("match") else round(size / 10)
    of = {"count": count, "more": count + 1, "last": size - 1}
    with pytest.raises(TitheError) as caught:
        select(found, str(file))
    said = f"strategy {file}: {function.partition('(')[0]}() returned {returned.format(**of)}"
    assert str(caught.value).startswith(said) and str(caught.value).endswith(
        f": it should return {wanted.format(**of)}"
    )
    assert caught.value.exit_code == 1


@pytest.mark.parametrize(
    "body, says",
    [
        (f"({ROWS}, -np.ones(12))", "returned the weight -1: it should return weights of at least 0, not all 0"),
        (f"({ROWS}, np.zeros(12))", "returned the weight 0 for all rows: it should return weights"),
        (
            "(np.flatnonzero(pool.labels == 0)[:12], np.ones(12))",
            "returned 12 of class 0: it should return as many rows",
        ),
    ],
)
def test_weights_and_quotas(body: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(TitheError, match=f"match\\(\\) {says}"):
        select(pool(), str(strategy(tmp_path, MATCH[0], body)))


@pytest.mark.parametrize(
    "body, error",
    [
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("pool.embeddings", "AttributeError: this pool has no signal 'embeddings': a strategy names what it reads in"),
        ("np.ones(3) + np.ones(4)", "ValueError: operands could not be broadcast together"),
        ("open('nowhere.txt')", "FileNotFoundError: [Errno 2] No such file or directory: 'nowhere.txt'"),
    ],
)
def test_an_error_of_its_own_is_one_line_and_the_log_has_the_rest(
    body: str, error: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = strategy(tmp_path, SCORE[0], body)
    with caplog.at_level(logging.DEBUG, "tithe"), pytest.raises(TitheError) as caught:
        select(pool(), str(file))
    assert str(caught.value).startswith(f"strategy {file}: score() failed: {file} line 7: {error}")
    assert "\n" not in str(caught.value) and caught.value.exit_code == 1 and "Traceback" in caplog.text


def test_a_wrong_signature_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(TitheError, match=r"score\(\) failed: .*mine.py: TypeError: score\(\) takes 2 positional"):
        select(pool(), str(strategy(tmp_path, "score(pool, rng)", "pool.lengths")))


def test_an_error_of_tithes_own_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    from tithe import plugins

    monkeypatch.setattr(plugins.load("strategies", "el2n"), "score", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        select(pool(), "el2n")


@pytest.mark.parametrize(
    "body, says",
    [
        ("'margin'", "returned 'margin' (str): it should return a tithe.select.buying.evidence.Decision: the name of"),
        ("('margin', 'why')", "returned a tuple of 2: it should"),
        ("Decision(3, 'why')", "returned a Decision for 3 (int) with "),
        ("Decision('margin', 'why', 5)", "returned a Decision for 'margin' (str) with 5 (int): it should"),
        ("Decision('auto', 'why')", "returned a Decision for 'auto', which decides itself: it should"),
        ("Decision('margins', 'why')", "unknown strategy 'margins': did you mean 'margin'?"),
    ],
)
def test_a_decision_is_one(body: str, says: str, tmp_path: Path) -> None:
    file = strategy(tmp_path, "decide(evidence, options)", body)
    with pytest.raises(TitheError, match=re.escape(says)) as caught:
        decision_of(config.Select(strategy=str(file), track="T0", rounds=2), 1, None)
    assert str(caught.value).startswith(f"strategy {file}: decide()")


@pytest.mark.parametrize("body", ["('random',)", "()", "(Candidate('random', {'noise': 0.3}),)", "None"])
def test_candidates_are_such(body: str, tmp_path: Path) -> None:
    file = strategy(tmp_path, "candidates(is_frozen)", body)
    module = inner.plugins.load_file("strategies", _with_decide(file))
    with pytest.raises(TitheError, match=r"candidates\(\) returned .* the first without a filter"):
        inner.ask(module, str(file), "candidates", True).candidates()


def _with_decide(file: Path) -> Path:
    file.write_text(file.read_text() + "\n\ndef decide(evidence, options): ...\n")
    return file


@pytest.mark.parametrize(
    "needs, options, says",
    [
        ('("probs")', "", "mine.py: NEEDS is 'probs': it should be a tuple of names, ('one',) with its comma"),
        ('("probs", 3)', "", "NEEDS is ('probs', 3): it should be"),
        ('("probs",)', "class Options: pass", "mine.py: Options is not a subclass of tithe.config.Section: derive"),
    ],
)
def test_what_a_strategy_declares(needs: str, options: str, says: str, tmp_path: Path) -> None:
    file = strategy(tmp_path, SCORE[0], "pool.lengths", needs)
    file.write_text(f"{file.read_text()}\n\n{options}\n")
    with pytest.raises(InputError, match=re.escape(says)):
        select(pool(), str(file))
