"""Verdicts in words: each from the numbers that decide."""

from __future__ import annotations

import pytest

from tithe.report.words import in_english
from tithe.select.suite.verdicts import Gain, judge


def gain(difference: float, p: float | None) -> Gain:
    return {"difference": difference, "p": p, "p_holm": p}


UNTRIED = "better than random for its own reader"
BETTER, WORSE, CHANCE = gain(0.02, 0.001), gain(-0.02, 0.001), gain(0.02, 0.05)
CARRIES, INFORMS, ALONE = "carries the model, not the data", "picks informative rows", "better for its own reader only"

# Against random with its own reader and with another one, the share of all with wrong labels and that of random rows.
CASES: list[tuple[Gain, Gain | None, float | None, float | None, str]] = [
    (BETTER, BETTER, 0.2, 0.2, INFORMS),
    (BETTER, gain(0.0, None), 0.2, 0.2, INFORMS),
    (BETTER, BETTER, None, None, INFORMS),
    (BETTER, WORSE, 0.2, 0.2, CARRIES),
    (BETTER, gain(-0.02, 0.05), 0.2, 0.2, ALONE),
    (BETTER, gain(-0.02, None), 0.2, 0.2, ALONE),
    (BETTER, None, 0.2, 0.2, UNTRIED),
    (BETTER, BETTER, 0.99, 0.2, CARRIES),
    (BETTER, BETTER, 0.989, 0.2, INFORMS),
    (CHANCE, BETTER, 1.0, 0.2, CARRIES),
    (BETTER, BETTER, 1.0, 1.0, INFORMS),  # random rows too: all rows teach this model nothing
    (CHANCE, BETTER, 0.2, 0.2, "no better than random"),
    (gain(-0.02, 0.05), BETTER, 0.2, 0.2, "no better than random"),
    (WORSE, BETTER, 0.2, 0.2, "worse than random"),
    (gain(0.02, None), BETTER, 0.2, 0.2, "not tested"),
]
HELP = "no better than random with the same help"
# Against random, for another reader, and against random rows with the same weights and penalty.
HELPED: list[tuple[Gain, Gain | None, Gain, str]] = [
    (BETTER, BETTER, BETTER, INFORMS),
    (BETTER, BETTER, CHANCE, HELP),
    (BETTER, BETTER, WORSE, HELP),
    (BETTER, BETTER, gain(0.0, None), HELP),
    (BETTER, BETTER, gain(0.02, None), "not tested"),
    (BETTER, None, CHANCE, HELP),
    (BETTER, None, BETTER, UNTRIED),
    (BETTER, WORSE, CHANCE, CARRIES),
    (CHANCE, BETTER, BETTER, "no better than random"),
    (WORSE, BETTER, BETTER, "worse than random"),
]


@pytest.mark.parametrize(("own", "reader", "wrong", "random_wrong", "words"), CASES)
def test_a_verdict_follows_from_its_numbers(
    own: Gain, reader: Gain | None, wrong: float | None, random_wrong: float | None, words: str
) -> None:
    assert in_english(judge(own, reader, wrong, random_wrong).words) == words


@pytest.mark.parametrize(("own", "reader", "helped", "words"), HELPED)
def test_rows_are_worth_what_random_ones_lack_with_the_same_help(
    own: Gain, reader: Gain | None, helped: Gain, words: str
) -> None:
    assert in_english(judge(own, reader, 0.2, 0.2, helped).words) == words


def test_a_verdict_names_the_numbers_that_decided() -> None:
    assert in_english(judge(BETTER, WORSE, 0.2, 0.2).because) == (
        "+0.0200 against random, p by Holm 0.001; another reader -0.0200 against random, p by Holm 0.001"
    )
    assert in_english(judge(BETTER, BETTER, 0.2, 0.2, CHANCE).because) == (
        "+0.0200 against random, p by Holm 0.001; +0.0200 against random with the same help, p by Holm 0.050"
    )
    carried = judge(BETTER, BETTER, 1.001, 0.2)
    assert carried.as_json() == {
        "words": CARRIES,
        "because": "with wrong labels 100.1 % of all, of random rows 20.0 %",
    }
    assert judge(gain(0.02, None), None, None, None).because.text("en") == (
        "+0.0200 against random: no test of one seed, or of equal differences"
    )
