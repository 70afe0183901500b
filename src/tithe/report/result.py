"""Results in a notebook: a table and some facts as HTML, every value escaped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tithe.report.html import Fact, Table, render

SCORES = (
    *("accuracy", "f1", "f1_weighted", "auc_roc", "auc_pr", "calibration_error", "calibration_error_calibrated"),
    *("abstained", "accuracy_answered", "rows"),
)
_PARTS = ("validation", "test", "data")


def scores_html(title: str, scores: Mapping[str, Any], facts: Sequence[Fact]) -> str:
    """Return scores with a column for each part of the data, and facts below them.

    Parameters
    ----------
    scores
        The metrics by part, and anything else, which is not shown.
    """
    parts = parts_of(scores)
    rows = [(name, *(scores[part].get(name) for part in parts)) for name in SCORES]
    return table_html(title, Table(("", *parts), rows), facts)


def parts_of(scores: Mapping[str, Any]) -> list[str]:
    """Return the parts of the data that have scores, in their usual order."""
    return [part for part in _PARTS if part in scores]


def table_html(title: str, table: Table, facts: Sequence[Fact]) -> str:
    """Return a table with a title, and facts below it: a part of a page, without a style of its own."""
    return render("result.html", title=title, numbers=table, facts_of=facts)
