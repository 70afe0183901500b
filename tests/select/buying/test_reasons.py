"""Why a row is to be labelled: the sentence fits the strategy and the row."""

from __future__ import annotations

import numpy as np
import pytest

from tithe.report.words import in_english
from tithe.select.buying.reasons import Chosen, reasons
from tithe.select.pool import Pool
from tithe.select.selection import Selection


def chosen(rows: list[int]) -> Chosen:
    """Six rows, from a certain one to an undecided one; two heaps of embeddings, of two and of four rows."""
    first_N = np.array([0.9, 0.8, 0.7, 0.6, 0.55, 0.5])
    probs_NC = np.stack([first_N, 1 - first_N], axis=1)
    heaps_ND = np.array([[0.0, 0], [0, 0.1], [9, 9], [9, 9.1], [9, 9.2], [9, 9.3]])
    every, order = np.arange(6), np.argsort(rows)
    selection = Selection(np.array(rows)[order], order, np.array(rows)[order] / 8, every[: len(rows)], np.ones(6))
    pool = Pool.of(None, every, {"probs": probs_NC, "embeddings": heaps_ND})
    return Chosen(pool, selection, np.array(rows), every, ("a", "b"))


@pytest.mark.parametrize(
    "strategy, rows, says",
    [
        ("margin", [5, 4], ["margin: hesitates between a (0.50) and b (0.50)", "margin: hesitates between a (0.55) and "
         "b (0.45)"]),
        ("mix", [5, 0, 4], ["mix: hesitates between a (0.50) and b (0.50)", "mix: random, as insurance",
         "mix: hesitates between a (0.55) and b (0.45)"]),
        ("badge", [0], ["badge: unlike the others, and a (0.90) or b (0.10)"]),
        ("herding", [1], ["herding: looks like a (0.80), then b (0.20)"]),
        ("typiclust", [4, 0], ["typiclust: of the rows without a label, 4 are nearest to it",
         "typiclust: of the rows without a label, 2 are nearest to it"]),
        ("random", [3], ["random: drawn at random"]),
        ("lexical_diversity", [4, 2], ["lexical_diversity: score 0.5", "lexical_diversity: score 0.25"]),
    ],
)  # fmt: skip
def test_a_sentence_for_each_row(strategy: str, rows: list[int], says: list[str]) -> None:
    assert [in_english(each) for each in reasons(strategy, chosen(rows))] == says
